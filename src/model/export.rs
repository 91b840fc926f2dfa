//! Exports of history: which columns there are, and how a run is written in each format.

use std::borrow::Cow;

use async_graphql::{Enum, resolver_utils::EnumType};
use chrono::{DateTime, NaiveDate, Utc};
use csv::{Terminator, WriterBuilder};
use serde::{Serialize, Serializer};

use super::{
    file::is_deceptive,
    run::{Run, RunStatus},
    uint53::UInt53,
};
use crate::error::{Error, Result};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180), in UTF-8, with the names of the columns in the first line. What is null is empty. Text
    /// that a spreadsheet would take for a formula, because it begins with `=`, `+`, `-`, `@` (or their full-width forms), a tab
    /// or a line break, has an apostrophe in front of it.
    Csv,
    /// A JSON object on each line, in UTF-8, with every column in it. Text is as it is.
    Jsonl,
}

impl ExportFormat {
    /// What the names of such files end in, without a dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The format of files that end in this.
    pub fn of_ending(ending: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl].into_iter().find(|format| format.ending() == ending)
    }

    /// The media type, with its parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// What stands before the first run.
    pub fn head(self) -> Result<Vec<u8>> {
        match self {
            Self::Csv => csv([COLUMNS.map(|(name, _)| Cow::Borrowed(name))]),
            Self::Jsonl => Ok(Vec::new()),
        }
    }

    /// The runs as they stand in the file.
    pub fn write(self, runs: &[PastRun]) -> Result<Vec<u8>> {
        match self {
            Self::Csv => csv(runs.iter().map(|run| COLUMNS.map(|(_, cell)| cell(run).guarded()))),
            Self::Jsonl => {
                let mut lines = Vec::new();
                for run in runs {
                    serde_json::to_writer(&mut lines, run).map_err(Error::internal)?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
        }
    }

    /// The file's name for the one who saves it: the project's, the day, and what tells the format. No system stumbles at it.
    pub fn file_name(self, project: &str, day: NaiveDate) -> String {
        let awkward = |letter: char| letter.is_control() || is_deceptive(letter) || "/\\:*?\"<>|".contains(letter);
        let mut name: String = project.chars().map(|letter| if awkward(letter) { '_' } else { letter }).collect();
        name.truncate(name.floor_char_boundary(MAX_STEM));
        if name.starts_with('.') {
            name.replace_range(..1, "_");
        }
        format!("{} {day}.{}", name.trim_end(), self.ending())
    }
}

/// The longest part of a project's name in the name of a file, in bytes: with the rest, no more than file systems take.
const MAX_STEM: usize = 200;

/// A run that has ended, as exports tell of it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct PastRun {
    /// The run, without its answer.
    #[sqlx(flatten)]
    pub run: Run,
    /// How many deliverables it saved.
    pub artifact_count: UInt53,
}

/// A column: its name, and what stands in it.
type Column = (&'static str, for<'r> fn(&'r PastRun) -> Cell<'r>);

/// What an export tells of a run: the columns in their order, with the names that the schema has for them.
const COLUMNS: [Column; 21] = [
    ("id", |past| Cell::word(past.run.id)),
    ("number", |past| Cell::Count(past.run.number)),
    ("sessionId", |past| Cell::word(past.run.session_id)),
    ("status", |past| Cell::name(past.run.status)),
    ("prompt", |past| Cell::Text(&past.run.prompt)),
    ("agent", |past| Cell::Text(&past.run.agent)),
    ("model", |past| Cell::Text(&past.run.model)),
    ("createdAt", |past| Cell::time(past.run.created_at)),
    ("startedAt", |past| Cell::of(past.run.started_at.map(Cell::time))),
    ("completedAt", |past| Cell::of(past.run.completed_at.map(Cell::time))),
    ("durationMs", |past| Cell::of(past.run.duration_ms().map(Cell::Count))),
    ("inputTokens", |past| Cell::Count(past.run.usage.input_tokens)),
    ("cachedInputTokens", |past| Cell::Count(past.run.usage.cached_input_tokens)),
    ("outputTokens", |past| Cell::Count(past.run.usage.output_tokens)),
    ("reasoningTokens", |past| Cell::Count(past.run.usage.reasoning_tokens)),
    ("totalTokens", |past| Cell::Count(past.run.usage.total().into())),
    ("failureCode", |past| Cell::of(past.run.failure.as_ref().map(|failure| Cell::Text(&failure.code)))),
    ("failureMessage", |past| Cell::of(past.run.failure.as_ref().map(|failure| Cell::Text(&failure.message)))),
    ("cancelledBy", |past| {
        // One that was done before it could be stopped was not cancelled by anybody.
        let by = past.run.cancel_requested_by.filter(|_| past.run.status == RunStatus::Cancelled);
        Cell::of(by.map(Cell::name))
    }),
    ("rerunOf", |past| Cell::of(past.run.rerun_of.map(Cell::word))),
    ("artifactCount", |past| Cell::Count(past.artifact_count)),
];

/// What stands in one column of one run.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'r> {
    Null,
    Count(UInt53),
    /// One of ours: an id, a time, a name of the schema.
    Word(Cow<'static, str>),
    /// Somebody's own words.
    Text(&'r str),
}

impl<'r> Cell<'r> {
    fn of(cell: Option<Self>) -> Self {
        cell.unwrap_or(Self::Null)
    }

    fn word(word: impl ToString) -> Self {
        Self::Word(word.to_string().into())
    }

    fn time(time: DateTime<Utc>) -> Self {
        Self::word(time.to_rfc3339())
    }

    fn name<E: EnumType>(value: E) -> Self {
        let item = E::items().iter().find(|item| item.value == value);
        Self::Word(item.map_or("", |item| item.name).into())
    }

    /// As a spreadsheet may have it.
    fn guarded(self) -> Cow<'r, str> {
        const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
        match self {
            Self::Null => "".into(),
            Self::Count(count) => count.get().to_string().into(),
            Self::Word(word) => word,
            Self::Text(text) if text.starts_with(FORMULA) => format!("'{text}").into(),
            Self::Text(text) => text.into(),
        }
    }
}

impl Serialize for PastRun {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(COLUMNS.map(|(name, cell)| (name, cell(self))))
    }
}

fn csv<'r>(lines: impl IntoIterator<Item = [Cow<'r, str>; COLUMNS.len()]>) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line.iter().map(|cell| cell.as_bytes())).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_work_out_is_text() {
        let guarded = |text: &'static str| Cell::Text(text).guarded();
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        for text in ["", "1=1", " =1", "'=1", "a@b", "– 1"] {
            assert_eq!(guarded(text), text);
        }
        assert_eq!(Cell::Word("-".into()).guarded(), "-", "what is ours is no formula");
    }

    #[test]
    fn a_file_is_named_after_its_project_and_the_day() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 23).expect("a day");
        for (project, name) in [
            ("Leases", "Leases 2026-11-23.csv"),
            ("عقود 🧾", "عقود 🧾 2026-11-23.csv"),
            ("a/b\\c:d*e?f\"g<h>i|j", "a_b_c_d_e_f_g_h_i_j 2026-11-23.csv"),
            ("../x\u{202e}vsc", "_._x_vsc 2026-11-23.csv"),
        ] {
            assert_eq!(ExportFormat::Csv.file_name(project, day), name);
        }
        let long = ExportFormat::Jsonl.file_name(&"🧾".repeat(200), day);
        assert!(long.len() < 255 && long.ends_with("🧾 2026-11-23.jsonl"), "{long}");
    }

    #[test]
    fn a_format_is_known_by_the_ending_of_its_files() {
        for format in [ExportFormat::Csv, ExportFormat::Jsonl] {
            assert_eq!(ExportFormat::of_ending(format.ending()), Some(format));
        }
        assert_eq!(ExportFormat::of_ending("CSV"), None);
    }
}
