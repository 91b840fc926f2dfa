//! Files: an area and a path, and the immutable content that stands there now.

use std::time::Duration;

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    id::{FileId, ProjectId, RunId, VersionId},
    uint53::UInt53,
};
use crate::{
    clock,
    error::{Error, Result},
};

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
    #[graphql(owned)]
    pub area: FileArea,
    /// Where in the area: parts separated by `/`, never starting with one.
    pub path: String,
    /// The file's name as it was uploaded.
    pub original_name: String,
    /// When its present content came. A move changes nothing of it.
    #[graphql(owned)]
    pub modified_at: DateTime<Utc>,
    /// The present content.
    #[graphql(skip)]
    #[sqlx(flatten)]
    pub version: FileVersion,
}

/// A directory of an area. Directories are implied by paths: there is one as long as there is a file below it. As in any object
/// store, a file and a directory may have the same path.
#[derive(Clone, Debug, PartialEq, SimpleObject)]
#[graphql(complex)]
pub struct Directory {
    /// Of which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// Which of the four areas it is in.
    #[graphql(owned)]
    pub area: FileArea,
    /// Where in the area: parts separated by `/`, with none at either end.
    pub path: String,
    /// When one of the files below it came, not always the last.
    #[graphql(skip)]
    pub met_at: DateTime<Utc>,
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A directory in it.
    Directory(Directory),
    /// A file in it.
    File(File),
}

impl Entry {
    /// Its place among the others, which is that of its files among all paths: a directory `a` stands where `a/` does.
    pub fn place(&self) -> String {
        match self {
            Self::Directory(directory) => format!("{}/", directory.path),
            Self::File(file) => file.path.clone(),
        }
    }
}

/// What an area of a project holds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow, SimpleObject)]
pub struct AreaUsage {
    /// Of which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// Which of the four areas.
    pub area: FileArea,
    /// How many files it has; of artifacts, each version counts.
    pub file_count: UInt53,
    /// The size of their present contents, in bytes.
    pub bytes: UInt53,
}

/// What to do when there is a file at the path already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize)]
pub enum IfExists {
    /// Do nothing and answer with a `CONFLICT`.
    Reject,
    /// Keep both: the new one gets the next free name, as in `terms (1).md`.
    Rename,
    /// The new content takes the place of the old one. The file keeps its id, and what was read from it before stays as it was.
    #[default]
    Replace,
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

impl FileVersion {
    /// Refuses to be named by a row when its bytes were written so long ago that the reaper may be about to take them: it lets
    /// bytes that nothing names lie for `kept`. Half of that is left for clocks that differ.
    pub fn fresh(&self, now: DateTime<Utc>, kept: Duration) -> Result<()> {
        if self.version_id.made_before(clock::before(now, kept / 2)) {
            return Err(Error::unavailable("a content was written long before it was to be named"));
        }
        Ok(())
    }
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

/// Checks the path of a directory, which may end in `/`. The empty path is the area itself.
pub fn directory(text: &str) -> Result<String> {
    if text.is_empty() { Ok(String::new()) } else { path(text.strip_suffix('/').unwrap_or(text)) }
}

/// The paths below a directory, in byte order: from the first of these on, and before the second.
pub fn below(directory: &str) -> (String, Option<String>) {
    if directory.is_empty() {
        return (String::new(), None);
    }
    // `0` is the character after `/`.
    (format!("{directory}/"), Some(format!("{directory}0")))
}

/// The same path with a number in its name, before the ending: `a/terms (1).md`.
pub fn numbered(path: &str, number: usize) -> String {
    let name = name_of(path);
    let folder = &path[..path.len() - name.len()];
    match name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        Some((stem, ending)) => format!("{folder}{stem} ({number}).{ending}"),
        None => format!("{folder}{name} ({number})"),
    }
}

/// Breaks a line, or turns the reading direction of what follows, so that a name looks like another. The marks that words of
/// right-to-left scripts need are not among them.
pub(super) fn is_deceptive(letter: char) -> bool {
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

    #[test]
    fn old_bytes_are_not_named_any_more() {
        let version = FileVersion {
            version_id: VersionId::new(),
            object_name: "a".into(),
            size: UInt53::default(),
            sha256: String::new(),
            media_type: String::new(),
        };
        let kept = Duration::from_mins(10);
        let now = clock::now();
        assert!(version.fresh(now + chrono::Duration::minutes(4), kept).is_ok());
        assert!(version.fresh(now + chrono::Duration::minutes(6), kept).is_err());
    }

    #[test]
    fn what_is_below_a_directory_is_an_interval() {
        let (start, end) = below("a b");
        let end = end.unwrap();
        for inside in ["a b/c", "a b/\u{10ffff}", "a b/c/d"] {
            assert!(inside >= start.as_str() && inside < end.as_str(), "{inside}");
        }
        for outside in ["a b", "a b.md", "a b0", "a", "a c/d"] {
            assert!(outside < start.as_str() || outside >= end.as_str(), "{outside}");
        }
        assert_eq!(directory("a/b/").unwrap(), "a/b");
        assert_eq!(directory("").unwrap(), "");
        assert!(directory("/").is_err() && directory("a//").is_err());
    }

    #[test]
    fn a_second_file_of_a_name_is_numbered_before_its_ending() {
        for (path, numbered_path) in
            [("a/b.md", "a/b (2).md"), ("a.b/c", "a.b/c (2)"), (".txt", ".txt (2)"), ("x.tar.gz", "x.tar (2).gz")]
        {
            assert_eq!(numbered(path, 2), numbered_path);
        }
    }
}
