//! Every kind of event that was ever written can be read for ever.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use workroom::model::event::{EventBody, RunEventType};

#[test]
fn every_kind_ever_written_can_be_read_and_says_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let mut read = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("the examples are there") {
        let path = entry.expect("an example").path();
        let example: Value = serde_json::from_slice(&fs::read(&path).expect("an example")).expect("JSON");
        let kind = example["kind"].as_str().expect("a kind");
        let body =
            EventBody::decode(kind, &example["body"].to_string()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(body.kind().name(), kind);
        let written: Value = serde_json::from_str(&body.encode().expect("JSON")).expect("JSON");
        assert_eq!(written, example["body"], "{path:?}");
        read.insert(kind.to_owned());
    }
    let all: BTreeSet<String> = RunEventType::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(read, all, "fixtures/events has an example of each kind");
}

#[test]
fn an_unknown_kind_is_an_error_and_not_a_guess() {
    assert!(EventBody::decode("SomethingElse", "{}").is_err());
    assert!(EventBody::decode("AgentMessage", "{}").is_err());
}
