//! What exists: plain data and pure rules.
