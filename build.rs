//! What the crate is built from besides its code: the migrations, which are read at build time, and the page at `/graphiql`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Where `make web` leaves the page. The folder around it is always there: cargo would build again each time if what it
/// watches were missing.
const PAGE: &str = "web/dist/page";

fn main() -> io::Result<()> {
    for watched in ["build.rs", "src/store/migrations", "web/dist"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    // Without the page the server is built all the same, and says at its address how to get it.
    if cfg!(feature = "graphiql") && Path::new(PAGE).is_dir() {
        walk(Path::new(PAGE), &mut files)?;
    }
    files.sort();
    let table: String = files.iter().map(|file| entry(file)).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says it"));
    fs::write(out.join("graphiql.rs"), format!("&[\n{table}]\n"))
}

/// The line of a file in the table that `src/http/graphiql.rs` includes.
fn entry(file: &Path) -> String {
    let path = file.to_str().expect("UTF-8");
    let name = file.strip_prefix(PAGE).ok().and_then(Path::to_str).expect("a file of the page");
    let (name, is_gzip) = name.strip_suffix(".gz").map_or((name, false), |name| (name, true));
    format!(
        "Asset {{ name: {name:?}, is_gzip: {is_gzip}, bytes: include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/\", {path:?})) }},\n"
    )
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
