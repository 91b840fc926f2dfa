//! Reading the house's own source, as far as the rules need it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of `src/`.
pub struct Source {
    /// As in `src/store/run.rs`.
    pub path: String,
    /// The top-level module that it belongs to; `main` and `lib` are their own.
    pub room: String,
    pub text: String,
    /// The text without comments. Lines keep their numbers.
    pub code: String,
}

impl Source {
    /// The code above the file's unit tests.
    pub fn product_code(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// Every top-level module that the file imports or names, with the line.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            // `$crate` in a macro is this crate seen from its user.
            if at > 0 && self.code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let line = self.line(at);
            found.extend(heads(&self.code[at + "crate::".len()..]).into_iter().map(|head| (line, head)));
        }
        for (at, _) in self.code.match_indices("super::") {
            if self.code[..at].ends_with("super::") {
                continue;
            }
            let mut rest = &self.code[at..];
            let mut ups = 0;
            while let Some(after) = rest.strip_prefix("super::") {
                (rest, ups) = (after, ups + 1);
            }
            if ups >= self.depth() {
                let line = self.line(at);
                found.extend(heads(rest).into_iter().map(|head| (line, head)));
            }
        }
        found
    }

    /// How deep the file's module is: 1 for a top-level one.
    fn depth(&self) -> usize {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').count()
    }

    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// The first names of a path or of each path in braces: of `{store::{self, Tx}, error::Error}` it is `store` and `error`.
fn heads(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else {
        return word(text).into_iter().collect();
    };
    let mut heads = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !letter.is_whitespace() => {
                heads.extend(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

/// The identifier at the start of a text.
pub fn word(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// All files of `src/`.
pub fn sources() -> Vec<Source> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![house.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the source") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let path = path.strip_prefix(house).expect("inside").to_string_lossy().replace('\\', "/");
                let room = word(path.trim_start_matches("src/")).expect("a name");
                let code = text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
                sources.push(Source { path, room, text, code });
            }
        }
    }
    assert!(sources.len() > 60, "this is not the whole source");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// A line up to its comment. An address in a text (`http://…`) is no comment.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" // ").map_or(line, |at| &line[..at])
}

#[test]
fn paths_are_read_with_their_braces() {
    assert_eq!(heads("store::run::get(tx)"), ["store"]);
    assert_eq!(
        heads("{\n    app::{App, file::{open, at}},\n    clock,\n    model::id::RunId,\n};"),
        ["app", "clock", "model"]
    );
    assert_eq!(without_comment("let a = \"http://b\"; // why"), "let a = \"http://b\";");
}
