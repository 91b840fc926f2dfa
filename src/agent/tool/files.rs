//! `list_files`, `read_file`, `write_file`, `save_output`.

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Tool, input};
use crate::{
    agent::model::ToolSpec,
    app::work::{Desk, Effect},
    error::{Error, Result},
    model::{event::FileRead, file::FileArea},
};

/// The most bytes of text that one call reads.
const MAX_READ: usize = 64 << 10;
/// The most bytes that one call writes.
const MAX_WRITE: usize = 4 << 20;

/// Lists an area.
pub(super) struct ListFiles;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListInput {
    area: FileArea,
    #[serde(default)]
    directory: String,
}

impl Tool for ListFiles {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "list_files",
            description: "Lists the files of an area: the drive (the user's documents), the workspace (your scratch) or artifacts.",
            input_schema: json!({
                "type": "object",
                "properties": {
                    "area": { "enum": ["drive", "workspace", "artifacts"] },
                    "directory": { "type": "string", "description": "Only files below this folder." },
                },
                "required": ["area"],
                "additionalProperties": false,
            }),
        }
    }

    fn call<'a>(&'a self, desk: &'a Desk, value: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            let ListInput { area, directory } = input(value)?;
            let (files, truncated) = desk.list(area, &directory).await?;
            let files: Vec<_> = files
                .iter()
                .map(|file| {
                    json!({
                        "path": file.path,
                        "size": file.version.size,
                        "mediaType": file.version.media_type,
                        "modifiedAt": file.modified_at,
                    })
                })
                .collect();
            Ok(Outcome::of(json!({ "files": files, "truncated": truncated })))
        }
        .boxed()
    }
}

/// Reads a text file, whole lines at a time.
pub(super) struct ReadFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ReadInput {
    area: FileArea,
    path: String,
    #[serde(default = "one")]
    first_line: usize,
    #[serde(default = "most")]
    max_bytes: usize,
}

fn one() -> usize {
    1
}

fn most() -> usize {
    MAX_READ
}

impl Tool for ReadFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "read_file",
            description: "Reads whole lines of a text file, from firstLine on. `truncated` says that there is more, `lineCut` that \
                the last line is too long to be read whole.",
            input_schema: json!({
                "type": "object",
                "properties": {
                    "area": { "enum": ["drive", "workspace", "artifacts"] },
                    "path": { "type": "string" },
                    "firstLine": { "type": "integer", "minimum": 1, "default": 1 },
                    "maxBytes": { "type": "integer", "minimum": 1, "maximum": MAX_READ, "default": MAX_READ },
                },
                "required": ["area", "path"],
                "additionalProperties": false,
            }),
        }
    }

    fn call<'a>(&'a self, desk: &'a Desk, value: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            let ReadInput { area, path, first_line, max_bytes } = input(value)?;
            let absent = || Error::not_found(&format!("file `{path}` in this area"));
            let (version, bytes) = desk.read(area, &path).await?.ok_or_else(absent)?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Error::invalid(format!("`{path}` is not text ({}).", version.media_type)))?;
            let part = lines(text, first_line.max(1), max_bytes.clamp(1, MAX_READ));
            let output = json!({
                "area": area,
                "path": path,
                "firstLine": first_line.max(1),
                "lastLine": part.last_line,
                "totalLines": part.total_lines,
                "size": version.size,
                "text": part.text,
                "truncated": part.last_line < part.total_lines || part.cut,
                "lineCut": part.cut,
            });
            Ok(Outcome { events: vec![FileRead { area, path }.into()], ..Outcome::of(output) })
        }
        .boxed()
    }
}

struct Part<'a> {
    text: &'a str,
    last_line: usize,
    total_lines: usize,
    /// The last line did not fit; its rest cannot be read.
    cut: bool,
}

/// As many whole lines from `first` on as fit into `most` bytes; a single line that does not fit is cut at a character.
fn lines(text: &str, first: usize, most: usize) -> Part<'_> {
    let total_lines = text.lines().count();
    let start: usize = text.split_inclusive('\n').take(first - 1).map(str::len).sum();
    let mut end = start;
    let mut last_line = first - 1;
    for line in text[start..].split_inclusive('\n') {
        if end + line.len() > start + most {
            break;
        }
        end += line.len();
        last_line += 1;
    }
    let cut = end == start && start < text.len();
    if cut {
        end = (start..=start + most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(start);
        last_line = first;
    }
    Part { text: &text[start..end], last_line: last_line.min(total_lines), total_lines, cut }
}

/// Writes a text file into the workspace.
pub(super) struct WriteFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteInput {
    area: FileArea,
    path: String,
    text: String,
}

impl Tool for WriteFile {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "write_file",
            description: "Writes a text file into the workspace, in place of what stood at its path.",
            input_schema: json!({
                "type": "object",
                "properties": {
                    "area": { "const": "workspace" },
                    "path": { "type": "string" },
                    "text": { "type": "string" },
                },
                "required": ["area", "path", "text"],
                "additionalProperties": false,
            }),
        }
    }

    fn call<'a>(&'a self, desk: &'a Desk, value: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            let WriteInput { area, path, text } = input(value)?;
            if area != FileArea::Workspace {
                return Err(Error::invalid(
                    "You write into the workspace only; what is to be kept goes through save_output.",
                ));
            }
            let effect = desk.prepare_write(&path, media_type_of(&path), bounded(text)?).await?;
            let Effect::Write { version, placing } = &effect else {
                return Err(Error::internal("a write prepared something else"));
            };
            let output = json!({ "area": area, "path": placing.path, "size": version.size, "sha256": version.sha256 });
            Ok(Outcome { effect: Some(effect), ..Outcome::of(output) })
        }
        .boxed()
    }
}

/// Saves a deliverable.
pub(super) struct SaveOutput;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SaveInput {
    name: String,
    media_type: Option<String>,
    text: String,
}

impl Tool for SaveOutput {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "save_output",
            description: "Saves a deliverable for the user. It is kept for ever and does not change.",
            input_schema: json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "A file name with an ending, such as `brief.md`." },
                    "mediaType": { "type": "string" },
                    "text": { "type": "string" },
                },
                "required": ["name", "text"],
                "additionalProperties": false,
            }),
        }
    }

    fn call<'a>(&'a self, desk: &'a Desk, value: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            let SaveInput { name, media_type, text } = input(value)?;
            let media_type = match &media_type {
                None => media_type_of(&name),
                Some(media_type) if media_type.parse::<mime::Mime>().is_ok() => media_type,
                Some(_) => return Err(Error::invalid("`mediaType` is not a media type such as `text/markdown`.")),
            };
            let effect = desk.prepare_output(&name, media_type, bounded(text)?).await?;
            let Effect::Output(artifact) = &effect else {
                return Err(Error::internal("an output prepared something else"));
            };
            let output = json!({
                "artifactId": artifact.id,
                "name": artifact.name,
                "size": artifact.version.size,
                "sha256": artifact.version.sha256,
            });
            Ok(Outcome { effect: Some(effect), ..Outcome::of(output) })
        }
        .boxed()
    }
}

fn bounded(text: String) -> Result<Bytes> {
    if text.len() > MAX_WRITE {
        return Err(Error::invalid(format!("At most {MAX_WRITE} bytes at once; these are {}.", text.len())));
    }
    Ok(text.into())
}

fn media_type_of(name: &str) -> &'static str {
    mime_guess::from_path(name).first_raw().unwrap_or("text/plain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_none_is_lost() {
        let text = "one\ntwo\r\nthree\nfour";
        let part = lines(text, 1, 9);
        assert_eq!((part.text, part.last_line, part.total_lines), ("one\ntwo\r\n", 2, 4));
        let part = lines(text, 3, 100);
        assert_eq!((part.text, part.last_line), ("three\nfour", 4));
        let part = lines(text, 9, 100);
        assert_eq!((part.text, part.last_line), ("", 4));
        let part = lines("", 1, 100);
        assert_eq!((part.text, part.last_line, part.total_lines), ("", 0, 0));
    }

    #[test]
    fn a_line_that_does_not_fit_is_cut_at_a_character() {
        let part = lines("äöü\nx", 1, 3);
        assert_eq!((part.text, part.last_line, part.total_lines, part.cut), ("ä", 1, 2, true));
        assert!(!lines("äöü\nx", 1, 100).cut);
    }
}
