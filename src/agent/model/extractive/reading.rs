//! Which documents are read, how far, and what is still wanted of them.
//!
//! Named files are read; else those that the prompt mentions by name; else every text document of the drive. Long
//! documents come in several answers, each asked for in a turn of its own. Three bounds hold, and the answer names
//! whatever fell outside them: [`MOST_FILES`], [`MOST_BYTES`] and [`MOST_TURNS`].

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::{
    passage::Document,
    question::Question,
    thread::{Outcome, Thread},
};

/// Files read in one run.
pub(super) const MOST_FILES: usize = 20;
/// Bytes of text read in one run: 1 MiB.
pub(super) const MOST_BYTES: u64 = 1024 * 1024;
/// Bytes of text asked for in one call.
const BYTES_PER_CALL: u64 = 64 * 1024;
/// Turns spent on reading. Enough for one document of [`MOST_BYTES`], and an end where a tool gives little at a time.
const MOST_TURNS: usize = 17;

/// What was read and what remains to be.
#[derive(Default)]
pub(super) struct Reading {
    /// The documents that were read, whole or in part.
    pub documents: Vec<Document>,
    /// What to ask for in the next turn; empty when there is nothing left to read.
    pub wanted: Vec<Wanted>,
    /// Files that were not read.
    pub unread: Vec<Unread>,
    /// The drive holds more files than its listing showed.
    pub listing_cut: bool,
}

/// A part of a file to be asked for.
pub(super) struct Wanted {
    path: String,
    first_line: u64,
}

impl Wanted {
    /// The input of the call of `read_file`.
    pub fn input(&self) -> Value {
        json!({ "area": "drive", "path": self.path, "firstLine": self.first_line, "maxBytes": BYTES_PER_CALL })
    }
}

/// A file that was not read.
pub(super) struct Unread {
    pub path: String,
    pub reason: String,
    /// It was asked for and could not be read; otherwise it was left aside.
    pub failed: bool,
}

/// A file that may be read, in the order of interest.
struct Candidate<'a> {
    path: &'a str,
    /// In bytes, where the listing told.
    size: Option<u64>,
}

/// How far one file has been read.
#[derive(Default)]
struct Progress {
    text: String,
    bytes: u64,
    lines: u64,
    next_line: Option<u64>,
    failure: Option<String>,
}

impl Reading {
    /// What this run has read up to now. With no files named and the drive not listed, that is nothing.
    pub fn of(thread: &Thread<'_>, question: &Question<'_>) -> Self {
        let mut reading = Self::default();
        let candidates = reading.candidates(thread, question);
        let mut progress = progress(thread);
        let turns = turns(thread);
        let mut left = MOST_BYTES.saturating_sub(progress.values().map(|file| file.bytes).sum());
        for candidate in candidates {
            let path = candidate.path.to_owned();
            let file = progress.remove(candidate.path);
            let started = file.is_some();
            let file = file.unwrap_or(Progress { next_line: Some(1), ..Progress::default() });
            let expected = candidate.size.map_or(BYTES_PER_CALL, |size| size.saturating_sub(file.bytes).max(1));
            let cost = expected.min(BYTES_PER_CALL);
            match file.next_line {
                Some(first_line) if turns < MOST_TURNS && cost <= left => {
                    left -= cost;
                    reading.wanted.push(Wanted { path: path.clone(), first_line });
                }
                Some(_) if !started => {
                    let reason = "the bound on what one run reads was reached".to_owned();
                    reading.unread.push(Unread { path: path.clone(), reason, failed: false });
                }
                _ => {}
            }
            if !started {
                continue;
            }
            let cut_after = file.next_line.map(|next| next.saturating_sub(1));
            match file.failure {
                Some(reason) if file.text.is_empty() => reading.unread.push(Unread { path, reason, failed: true }),
                failure => {
                    let cut_after = cut_after.or(failure.map(|_| file.lines.max(1)));
                    reading.documents.push(Document { path, text: file.text, cut_after });
                }
            }
        }
        reading
    }

    fn candidates<'a>(&mut self, thread: &Thread<'a>, question: &Question<'_>) -> Vec<Candidate<'a>> {
        let mut seen = HashSet::new();
        let mut found: Vec<Candidate<'a>> = if thread.files.is_empty() {
            self.listed(thread, question)
        } else {
            thread.files.iter().map(|path| Candidate { path, size: None }).collect()
        };
        found.retain(|candidate| seen.insert(candidate.path));
        for beyond in found.drain(MOST_FILES.min(found.len())..) {
            let reason = format!("more than {MOST_FILES} files");
            self.unread.push(Unread { path: beyond.path.to_owned(), reason, failed: false });
        }
        found
    }

    fn listed<'a>(&mut self, thread: &Thread<'a>, question: &Question<'_>) -> Vec<Candidate<'a>> {
        let Some(Outcome::Done(listing)) = thread.last("list_files") else { return Vec::new() };
        let files = listing.get("files").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        self.listing_cut = listing.get("truncated").and_then(Value::as_bool).unwrap_or(false);
        let named = |file: &&Value| path_of(file).is_some_and(|path| question.names(path));
        let any_named = files.iter().any(|file| named(&file));
        let mut found = Vec::new();
        for file in files {
            let Some(path) = path_of(file) else { continue };
            let size = file.get("size").and_then(Value::as_u64);
            if any_named {
                if named(&file) {
                    found.push(Candidate { path, size });
                }
            } else if is_text(path, file.get("mediaType").and_then(Value::as_str)) {
                found.push(Candidate { path, size });
            } else {
                self.unread.push(Unread { path: path.to_owned(), reason: "not a text document".into(), failed: false });
            }
        }
        // The sort is stable: within one rank the listing's order stays.
        found.sort_by(|a, b| question.favour(b.path).total_cmp(&question.favour(a.path)));
        found
    }
}

fn path_of(file: &Value) -> Option<&str> {
    file.get("path").and_then(Value::as_str)
}

/// The turns of this run in which files were read. A turn asks for one part of a file at most, so the file with the most
/// calls tells.
fn turns(thread: &Thread<'_>) -> usize {
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    for (input, _) in thread.all("read_file") {
        *calls.entry(path_of(input).unwrap_or_default()).or_default() += 1;
    }
    calls.into_values().max().unwrap_or(0)
}

fn progress<'a>(thread: &Thread<'a>) -> BTreeMap<&'a str, Progress> {
    let mut files: BTreeMap<&str, Progress> = BTreeMap::new();
    for (input, outcome) in thread.all("read_file") {
        let file = files.entry(path_of(input).unwrap_or_default()).or_default();
        let asked = input.get("firstLine").and_then(Value::as_u64).unwrap_or(1);
        file.next_line = None;
        match outcome {
            Outcome::Failed(reason) => file.failure = Some(reason.clone()),
            Outcome::Done(output) => file.take(output, asked),
        }
    }
    files
}

impl Progress {
    /// Adds a part of the file that begins with the line that was asked for.
    fn take(&mut self, output: &Value, asked: u64) {
        let Some(text) = output.get("text").and_then(Value::as_str) else {
            self.failure = Some("the answer held no text".to_owned());
            return;
        };
        self.bytes += text.len() as u64;
        let first_line = output.get("firstLine").and_then(Value::as_u64).unwrap_or(asked);
        let last_line = output.get("lastLine").and_then(Value::as_u64).unwrap_or(0);
        if first_line == 1 {
            // The mark of byte order is no part of the first line.
            self.text.push_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        } else {
            // A part may end with or without a line end; the next begins with the line that it says it does.
            let lines = 1 + self.text.matches('\n').count() as u64;
            for _ in lines..first_line.min(lines + MOST_BYTES) {
                self.text.push('\n');
            }
            self.text.push_str(text);
        }
        let truncated = output.get("truncated").and_then(Value::as_bool).unwrap_or(false);
        let advanced = last_line >= asked;
        self.lines = self.lines.max(last_line.max(u64::from(!truncated)));
        if truncated && advanced {
            self.next_line = Some(last_line + 1);
        } else if truncated {
            self.failure = Some("a line is longer than can be read at once".to_owned());
        }
    }
}

/// Whether a file is worth reading as text, by its media type, or by its ending where that says nothing.
fn is_text(path: &str, media_type: Option<&str>) -> bool {
    const APPLICATIONS: [&str; 8] = ["json", "xml", "yaml", "x-yaml", "toml", "x-ndjson", "csv", "javascript"];
    const ENDINGS: [&str; 19] = [
        "md", "markdown", "txt", "text", "csv", "tsv", "json", "jsonl", "ndjson", "yaml", "yml", "toml", "xml", "html",
        "htm", "log", "rst", "srt", "vtt",
    ];
    let kind = media_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match kind.split_once('/') {
        Some(("text", _)) => true,
        Some(("application", kind)) if kind != "octet-stream" => {
            APPLICATIONS.contains(&kind) || kind.ends_with("+json") || kind.ends_with("+xml")
        }
        Some((family, _)) if family != "application" => false,
        _ => path
            .rsplit_once('.')
            .is_some_and(|(_, ending)| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_by_media_type_and_else_by_ending() {
        assert!(is_text("a", Some("text/plain; charset=utf-8")));
        assert!(is_text("a", Some("application/ld+json")));
        assert!(is_text("notes.MD", None));
        assert!(is_text("notes.md", Some("application/octet-stream")));
        assert!(!is_text("a.txt", Some("image/png")));
        assert!(!is_text("a.pdf", Some("application/pdf")));
        assert!(!is_text("a", None));
    }

    #[test]
    fn parts_join_at_the_lines_that_they_say_they_begin_with() {
        let mut file = Progress::default();
        let part = |first: u64, last: u64, text: &str, truncated: bool| json!({ "firstLine": first, "lastLine": last, "text": text, "truncated": truncated });
        file.take(&part(1, 2, "\u{feff}one\n", true), 1);
        assert_eq!(file.next_line, Some(3));
        file.take(&part(3, 3, "three", false), 3);
        assert_eq!(file.text, "one\n\nthree");
        assert_eq!((file.lines, file.failure), (3, None));
    }

    #[test]
    fn a_part_that_goes_no_further_ends_the_reading() {
        let mut file = Progress::default();
        file.take(&json!({ "firstLine": 1, "lastLine": 0, "text": "", "truncated": true }), 1);
        assert!(file.next_line.is_none() && file.failure.is_some());
    }
}
