//! The agent: model turn, tool calls, until done, cancelled or out of budget.

pub mod model;
