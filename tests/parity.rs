//! Our answers against those of graphql-js, the reference implementation, over the same schema.
//!
//! The documents are in `parity/documents.json`, one to a line. Data must be equal to the byte, keys in the same order. Of errors
//! the places that became null must be equal, and each of our errors must be one of the reference's, with its path, its message and
//! its location. The reference may have more of them below a place that is null; ours has the one that explains it.

mod schema;

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use async_graphql::{Executor as _, Request, SDLExportOptions, Variables};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};
use workroom::graphql::root::Engine;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    name: String,
    query: String,
    #[serde(default)]
    variables: Value,
    operation_name: Option<String>,
    /// Which of several failures explains a null is a matter of timing for the reference; ours is the first in order.
    #[serde(default)]
    any_cause: bool,
}

#[tokio::test]
async fn answers_equal_those_of_the_reference() {
    let documents = include_str!("parity/documents.json");
    let schema = schema::schema();
    let sdl = schema.sdl_with_options(SDLExportOptions::new());
    let references = reference(&sdl, documents).await;
    let documents: Vec<Document> = serde_json::from_str(documents).expect("the documents are JSON");
    assert_eq!(references.len(), documents.len());
    let engine = Engine::new(schema);
    let mut differences = Vec::new();
    for (document, reference) in documents.iter().zip(&references) {
        let mut request = Request::new(&document.query)
            .variables(Variables::from_json(document.variables.clone()))
            .data(schema::Steps::default());
        request.operation_name.clone_from(&document.operation_name);
        let response = engine.execute(request).await;
        // Rendered once as text, since a parsed object would lose the order of its keys.
        let data = serde_json::to_string(&response.data).expect("data is JSON");
        let errors = serde_json::to_value(&response.errors).expect("errors are JSON");
        let difference = if data == reference.data {
            compare_errors(document, &data, &errors, &reference.errors)
        } else {
            Some("data")
        };
        if let Some(difference) = difference {
            differences.push(format!(
                "{}: {difference} differs\n  query {}\n  ours {data} {errors}\n  reference {} {}",
                document.name, document.query, reference.data, reference.errors,
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn errors_come_in_the_order_of_the_query() {
    let query =
        "{ things { fails(ms: 9) b: fails(ms: 1) } thing { fails child { failsHard(ms: 4) } } x: fails(ms: 5) fails }";
    let response = Engine::new(schema::schema()).execute(Request::new(query)).await;
    let paths: Vec<_> = response.errors.iter().map(|error| json!(error.path).to_string()).collect();
    let expected = [
        r#"["things",0,"fails"]"#,
        r#"["things",0,"b"]"#,
        r#"["things",1,"fails"]"#,
        r#"["things",1,"b"]"#,
        r#"["things",2,"fails"]"#,
        r#"["things",2,"b"]"#,
        r#"["thing","fails"]"#,
        r#"["thing","child","failsHard"]"#,
        r#"["x"]"#,
        r#"["fails"]"#,
    ];
    assert_eq!(paths, expected);
}

/// An answer of the reference. Its data is text, so that the order of keys is kept.
#[derive(Deserialize)]
struct Reference {
    data: String,
    errors: Value,
}

async fn reference(sdl: &str, documents: &str) -> Vec<Reference> {
    let documents: Value = serde_json::from_str(documents).expect("the documents are JSON");
    let input = json!({ "sdl": sdl, "documents": documents }).to_string();
    let mut node = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/reference.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    // Dropped after writing, which ends node's input.
    let mut stdin = node.stdin.take().expect("stdin is piped");
    stdin.write_all(input.as_bytes()).await.expect("node reads");
    drop(stdin);
    let output = tokio::time::timeout(Duration::from_mins(1), node.wait_with_output());
    let output = output.await.expect("node ends in time").expect("node ends");
    assert!(output.status.success(), "the reference failed (see above); it needs `npm install` in tests/audit");
    serde_json::from_slice(&output.stdout).expect("the answers are JSON")
}

fn compare_errors(document: &Document, data: &str, ours: &Value, theirs: &Value) -> Option<&'static str> {
    let data: Value = serde_json::from_str(data).expect("data is JSON");
    let list = |errors: &Value| errors.as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (list(ours), list(theirs));
    let places =
        |errors: &[Value]| errors.iter().map(|error| null_place(&data, &error["path"])).collect::<BTreeSet<_>>();
    let our_places = places(&ours);
    if our_places != places(&theirs) {
        return Some("the places of errors");
    }
    if our_places.len() != ours.len() {
        return Some("the number of errors for each place");
    }
    let known = |error: &Value| {
        theirs.iter().any(|other| {
            other["path"] == error["path"]
                && other["message"] == error["message"]
                && list(&other["locations"]).contains(&error["locations"][0])
        })
    };
    if !document.any_cause && !ours.iter().all(known) {
        return Some("an error");
    }
    None
}

/// The place that is null because of an error at `path`. Empty for an error without one.
fn null_place(data: &Value, path: &Value) -> String {
    let mut value = data;
    let mut place = String::new();
    for segment in path.as_array().into_iter().flatten() {
        if value.is_null() {
            break;
        }
        place = format!("{place}/{segment}");
        value = match segment {
            Value::String(key) => &value[key],
            index => &value[usize::try_from(index.as_u64().expect("an index")).expect("an index")],
        };
    }
    place
}
