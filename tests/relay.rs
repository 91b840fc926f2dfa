//! What a Relay client asks of a schema, told by Relay's own compiler: the documents in `relay/src` compile over
//! `schema.graphql`. The compiler comes from npm: `npm ci --prefix tests/relay`.

use std::{fs, path::Path};

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::program::{installed, to_the_end};

/// A Relay project of its own: the documents, the schema, the configuration.
fn project() -> TempDir {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = |from: &Path, to: &str| fs::copy(from, folder.path().join(to)).expect("a copy");
    for made in ["src", "artifacts"] {
        fs::create_dir(folder.path().join(made)).expect("a folder");
    }
    copy(&here.join("schema.graphql"), "schema.graphql");
    copy(&here.join("tests/relay/relay.config.json"), "relay.config.json");
    for document in fs::read_dir(here.join("tests/relay/src")).expect("the documents") {
        let path = document.expect("a document").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        copy(&path, &format!("src/{name}"));
    }
    folder
}

/// Compiles; answers with whether that went well, and what the compiler said.
pub async fn compile(project: &Path) -> (bool, String) {
    let compiler = installed("tests/relay/node_modules/relay-compiler/cli.js");
    to_the_end(Command::new("node").arg(compiler).arg("relay.config.json").current_dir(project)).await
}

#[tokio::test]
async fn the_relay_compiler_takes_the_schema() {
    let project = project();
    let (well, said) = compile(project.path()).await;
    assert!(well, "{said}");
    for artifact in [
        "ProjectListPaginationQuery",
        "RunPageTimelineQuery",
        "RunPageArtifactQuery",
        "StartRunMutation",
        "StartRunUploadMutation",
        "CreateProjectMutation",
        "LiveRunSubscription",
        "AnythingQuery",
    ] {
        let path = project.path().join(format!("artifacts/{artifact}.graphql.ts"));
        assert!(path.is_file(), "{artifact} was not compiled:\n{said}");
    }
}

#[tokio::test]
async fn the_relay_compiler_refuses_a_document_that_does_not_fit() {
    for (wrong, complaint) in [
        ("query WrongQuery { viewer { shoeSize } }", "shoeSize"),
        ("query WrongQuery { project(id: 1.5) { id } }", "ID"),
        (
            "fragment Wrong_page on User { sessions(after: \"x\") @connection(key: \"Wrong_sessions\") { edges { node { id } } } }",
            "first",
        ),
    ] {
        let project = project();
        let text = format!("import {{ graphql }} from \"relay-runtime\";\nexport const wrong = graphql`{wrong}`;\n");
        fs::write(project.path().join("src/Wrong.ts"), text).expect("a document");
        let (well, said) = compile(project.path()).await;
        assert!(!well, "this was compiled: {wrong}");
        assert!(said.contains(complaint), "{wrong}\n{said}");
    }
}
