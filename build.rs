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
    let page = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says it")).join(PAGE);
    let mut files = Vec::new();
    // Without the page the server is built all the same, and says at its address how to get it.
    if env::var_os("CARGO_FEATURE_GRAPHIQL").is_some() && page.is_dir() {
        walk(&page, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let path = file.strip_prefix(&page).expect("a file of the page").to_str().expect("UTF-8");
        let name = path.strip_suffix(".gz").unwrap_or(path);
        let is_gzip = name != path;
        table += &format!("Asset {{ name: {name:?}, is_gzip: {is_gzip}, bytes: include_bytes!({file:?}) }},\n");
    }
    table += "]\n";
    fs::write(Path::new(&env::var("OUT_DIR").expect("cargo says it")).join("graphiql.rs"), table)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
