//! Migrations are read at build time; a new file must cause a new build.

fn main() {
    println!("cargo:rerun-if-changed=src/store/migrations");
}
