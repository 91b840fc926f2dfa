//! Files: an area and a path, and the immutable content that stands there now.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    id::{FileId, ProjectId, RunId, VersionId},
    uint53::UInt53,
};
use crate::error::{Error, Result};

/// A project's four file areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum FileArea {
    /// Deliverables that runs saved; immutable.
    Artifacts,
    /// The user's uploads; agents read them.
    Drive,
    /// The memory of a workspace session.
    Knowledge,
    /// The agent's scratch.
    Workspace,
}

impl FileArea {
    /// The first part of its objects' keys.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Drive => "drive",
            Self::Knowledge => "knowledge",
            Self::Workspace => "workspace",
        }
    }
}

/// A file of a project: what stands now at a path of an area.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct File {
    /// Stays the same when the content is replaced.
    pub id: FileId,
    /// Of which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// Which of the four areas it is in.
    pub area: FileArea,
    /// Where in the area: parts separated by `/`, never starting with one.
    pub path: String,
    /// The file's name as it was uploaded.
    pub original_name: String,
    /// When the present content was put there.
    pub modified_at: DateTime<Utc>,
    /// The present content.
    #[graphql(skip)]
    #[sqlx(flatten)]
    pub version: FileVersion,
}

/// One immutable content.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct FileVersion {
    /// Which content.
    pub version_id: VersionId,
    /// Where its bytes are: the last part of the object's key.
    pub object_name: String,
    /// In bytes.
    pub size: UInt53,
    /// Of the bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// As found in the bytes and the name.
    pub media_type: String,
}

/// A file as it was when a run started: the run reads exactly this content, whatever happens to the path later.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
pub struct PinnedFile {
    /// Of which run.
    #[graphql(skip)]
    pub run_id: RunId,
    /// Where it stood in the drive.
    pub path: String,
    /// Which content.
    #[graphql(name = "version")]
    pub version_id: VersionId,
    /// Of the bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: UInt53,
}

/// The longest path, in bytes of UTF-8.
pub const MAX_PATH: usize = 1024;
/// The longest part of a path, in bytes of UTF-8.
pub const MAX_PATH_PART: usize = 255;

/// Checks a path inside an area and composes its characters (NFC): no absolute path, no `.` or `..`, no empty part, no
/// control character, no backslash, no overlong part.
pub fn path(text: &str) -> Result<String> {
    let text: String = text.nfc().collect();
    let refuse = |why: &str| Err(Error::invalid(format!("This path is not taken: {why}.")));
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > MAX_PATH {
        return refuse("it is longer than 1,024 bytes");
    }
    if text.starts_with('/') {
        return refuse("paths are relative to their area");
    }
    for part in text.split('/') {
        match part {
            "" => return refuse("a part of it is empty"),
            "." | ".." => return refuse("`.` and `..` lead nowhere here"),
            _ if part.len() > MAX_PATH_PART => return refuse("a part of it is longer than 255 bytes"),
            _ if part.trim() != part => return refuse("a part of it begins or ends with a space"),
            _ if part.chars().any(|letter| letter.is_control() || letter == '\\' || is_deceptive(letter)) => {
                return refuse("control characters and backslashes are not taken");
            }
            _ => {}
        }
    }
    Ok(text)
}

/// Breaks a line, or turns the reading direction of what follows, so that a name looks like another. The marks that words of
/// right-to-left scripts need are not among them.
fn is_deceptive(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The last part of a path.
pub fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_their_area() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "a\0",
            "a\nb",
            "a\u{202e}dm.exe",
            " a",
            "a /b",
            &"x".repeat(256),
            &"abcdefgh/".repeat(200),
        ] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
        assert_eq!(path("Verträge/2026/Cafe\u{301}.md").unwrap(), "Verträge/2026/Café.md");
        assert_eq!(path("...").unwrap(), "...");
        assert_eq!(name_of("a/b/c.md"), "c.md");
    }
}
