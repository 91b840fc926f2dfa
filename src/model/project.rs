//! Projects: the top-level container, owned by one user.

use std::collections::HashSet;

use async_graphql::{Enum, InputObject, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    id::{ProjectId, UserId},
    text,
    uint53::UInt53,
};
use crate::error::{Error, Result};

/// The top-level container: files, runs, sessions, artifacts and history belong to exactly one project.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct Project {
    /// Opaque and stable.
    pub id: ProjectId,
    /// Who owns it.
    #[graphql(skip)]
    pub user_id: UserId,
    /// What people call it; 1 to 200 characters, not unique.
    pub name: String,
    /// What it is about; may be empty.
    pub description: String,
    /// Words to find it by, in the order given; each stands once.
    #[sqlx(json)]
    pub labels: Vec<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its name, description or labels last changed.
    pub updated_at: DateTime<Utc>,
    /// Moves on by one with every change; give it to `updateProject` so that two editors do not overwrite each other.
    pub version: UInt53,
}

/// Which projects. All conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ProjectFilter {
    /// The name or the description contains this text; case does not matter, in any script.
    pub text: Option<String>,
    /// Has all of these labels.
    pub labels: Option<Vec<String>>,
}

/// What projects can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProjectOrderField {
    /// The time of creation.
    CreatedAt,
    /// The name, without regard to case.
    Name,
    /// The time of the last change.
    UpdatedAt,
}

/// How projects are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, InputObject)]
pub struct ProjectOrder {
    /// By what.
    pub field: ProjectOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl Default for ProjectOrder {
    fn default() -> Self {
        Self { field: ProjectOrderField::UpdatedAt, direction: OrderDirection::Desc }
    }
}

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum OrderDirection {
    /// Smallest or oldest first.
    Asc,
    /// Largest or newest first.
    Desc,
}

/// The most labels that a project can have.
pub const MAX_LABELS: usize = 20;
/// The longest name, in characters.
pub const MAX_NAME: usize = 200;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 10_000;
const MAX_LABEL: usize = 50;

/// Checks labels: each a clean name of at most 50 characters, at most 20, and those given twice, in whatever case, stand once.
pub fn labels(labels: &[String]) -> Result<Vec<String>> {
    if labels.len() > MAX_LABELS {
        return Err(Error::invalid(format!("At most {MAX_LABELS} labels.")).at(["input", "labels"]));
    }
    let mut kept: Vec<String> = Vec::with_capacity(labels.len());
    let mut folded = HashSet::new();
    for label in labels {
        let label = text::name("labels", label, MAX_LABEL)?;
        // Labels are looked for without regard to case, so two that differ by nothing else are one.
        if folded.insert(text::fold(&label)) {
            kept.push(label);
        }
    }
    Ok(kept)
}
