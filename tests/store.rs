//! What every function of the store promises, on both engines.
//!
//! A file per noun, and some for what goes across them: the writer, tenancy, migrations, and how queries are planned.

mod activity;
mod admin;
mod append;
mod artifact;
mod deletion;
mod directory;
mod event;
mod file;
mod fixture;
mod history;
mod idempotency;
mod integrity;
mod lease;
mod migration;
mod notify;
mod project;
mod run;
mod session;
mod sweep;
mod tenancy;
mod user;
mod writer;

use std::{fs, path::Path};

/// The functions that a module of the store offers.
fn offered(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let signature = line.trim_start();
        let rest = signature.strip_prefix("pub async fn ").or_else(|| signature.strip_prefix("pub fn "))?;
        rest.split(['(', '<']).next()
    })
}

#[test]
fn every_function_of_the_store_has_a_story() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read_all = |folder: &str| -> Vec<(String, String)> {
        let files =
            fs::read_dir(root.join(folder)).expect("the folder is there").map(|entry| entry.expect("a file").path());
        files
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .map(|path| {
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                (name, fs::read_to_string(&path).expect("a source can be read"))
            })
            .collect()
    };
    let stories: String = read_all("tests/store").into_iter().map(|(_, source)| source).collect();
    let mut missing = Vec::new();
    for (module, source) in read_all("src/store") {
        for function in offered(&source) {
            let call = match module.as_str() {
                "mod" => format!(".{function}("),
                "dialect" => continue,
                module => format!("{module}::{function}("),
            };
            // `Store::open` is an associated function.
            if !stories.contains(&call) && !stories.contains(&format!("Store::{function}(")) {
                missing.push(format!("{module}::{function}"));
            }
        }
    }
    assert!(missing.is_empty(), "no story calls {missing:?}");
}

#[test]
fn offered_functions_are_found_in_source() {
    let source = "pub async fn a(x: u8) {}\nfn b() {}\n    pub fn c<T>() {}\npub(super) fn d() {}";
    assert_eq!(offered(source).collect::<Vec<_>>(), ["a", "c"]);
}
