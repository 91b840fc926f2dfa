//! What is kept is what was recorded, and what somebody changes is found and named: by a query of its owner, and by `workroom verify`.

mod verify;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use uuid::Uuid;
use workroom::model::id::RunId;

use crate::world::{
    User, World,
    crew::{Scripted, calls, says},
    engine::on_engines,
    runs::started,
    tables::Beside,
};

const INTEGRITY: &str =
    "query($run: ID!) { run(id: $run) { integrity { status eventsChecked artifactsChecked sealedFrom head
    firstBrokenSequence findingCount findings { kind sequence message } } } }";

/// A world whose runs each save a file by the name of their prompt.
fn saving(crew: &mut workroom::worker::Crew) {
    crew.models = vec![Scripted::new("test/saves", |turn, conversation| match turn {
        0 => {
            let name = format!("{}.md", prompt(conversation));
            calls(0, &[("save_output", json!({ "name": name, "text": "What came of it." }))])
        }
        _ => says(&format!("Saved {}.", prompt(conversation))),
    })];
}

fn prompt(conversation: &workroom::agent::model::Conversation) -> String {
    let asked = conversation.messages.iter().rev().find_map(|message| match message {
        workroom::agent::model::Message::User { text, .. } => Some(text.clone()),
        _ => None,
    });
    asked.expect("a prompt")
}

impl User {
    /// Whether a run is what was recorded.
    async fn integrity(&self, run: &str) -> Value {
        self.ask(INTEGRITY, json!({ "run": run })).await["run"]["integrity"].take()
    }
}

/// What was found, in short: the first broken event, and of each finding its kind and its event.
fn found(integrity: &Value) -> String {
    let findings: Vec<String> = integrity["findings"].as_array().expect("findings").iter().map(finding).collect();
    format!(
        "{} {}: {}",
        integrity["status"].as_str().expect("a status"),
        integrity["firstBrokenSequence"],
        findings.join(", ")
    )
}

fn finding(finding: &Value) -> String {
    let kind = finding["kind"].as_str().expect("a kind");
    finding["sequence"].as_u64().map_or(kind.to_owned(), |sequence| format!("{kind} {sequence}"))
}

fn uuid(run: &str) -> Uuid {
    run.parse::<RunId>().expect("a run").0
}

/// The object of a run's artifact, which has the run's prompt for its name.
fn object(world: &World, prompt: &str) -> PathBuf {
    let name = format!("{prompt}.md");
    world.objects().into_iter().find(|path| path.ends_with(&name)).expect("the artifact's object")
}

/// Changes rows of a run: `RUN` in a statement is its id.
async fn tamper(beside: &mut Beside, run: &str, statements: &[&str]) {
    let id = beside.literal(uuid(run));
    for statement in statements {
        beside.change(&statement.replace("RUN", &id)).await;
    }
}

/// What somebody does to a run's rows, by what it is called, and as what that is found.
const TAMPERED: &[(&str, &[&str], &str)] = &[
    (
        "a changed letter",
        &[
            "update run_event set body = replace(body, '\"worker\":\"', '\"worker\":\"X') where run_id = RUN and sequence = 2",
        ],
        "BROKEN 2: EVENT_CHANGED 2",
    ),
    (
        "a changed time",
        &["update run_event set at = at + 1 where run_id = RUN and sequence = 3"],
        "BROKEN 3: EVENT_CHANGED 3",
    ),
    (
        "a changed kind",
        &["update run_event set kind = 'RunFailed' where run_id = RUN and sequence = 2"],
        "BROKEN 2: EVENT_CHANGED 2",
    ),
    (
        "swapped events",
        &[
            "update run_event set sequence = 1000 where run_id = RUN and sequence = 2",
            "update run_event set sequence = 2 where run_id = RUN and sequence = 3",
            "update run_event set sequence = 3 where run_id = RUN and sequence = 1000",
        ],
        "BROKEN 2: EVENT_CHANGED 2, EVENT_CHANGED 3, EVENT_CHANGED 4",
    ),
    ("a removed event", &["delete from run_event where run_id = RUN and sequence = 3"], "BROKEN 3: EVENT_MISSING 3"),
    (
        "a removed end",
        &["delete from run_event where run_id = RUN and kind = 'RunCompleted'"],
        "BROKEN 9: EVENT_MISSING 9, RUN_CHANGED",
    ),
    (
        "an added event",
        &["insert into run_event (run_id, sequence, at, kind, body, salt, hash)
            select run_id, 77, at, kind, body, salt, hash from run_event where run_id = RUN and sequence = 2"],
        "BROKEN 77: EVENT_UNEXPECTED 77",
    ),
    (
        "an event before the first",
        &["insert into run_event (run_id, sequence, at, kind, body) select run_id, 0, at, kind, body from run_event
            where run_id = RUN and sequence = 2"],
        "BROKEN 0: EVENT_UNEXPECTED 0",
    ),
    (
        "another run's words",
        &["update run_event set body = (select body from run_event as other where other.kind = 'RunCompleted'
            and other.run_id <> RUN limit 1) where run_id = RUN and kind = 'RunCompleted'"],
        "BROKEN 9: EVENT_CHANGED 9, RUN_CHANGED",
    ),
    (
        "a lost seal",
        &["update run_event set hash = null where run_id = RUN and sequence = 4"],
        "BROKEN 4: EVENT_CHANGED 4",
    ),
    ("another answer", &["update run set answer = 'No.' where id = RUN"], "BROKEN null: RUN_CHANGED"),
    ("another status", &["update run set status = 'FAILED' where id = RUN"], "BROKEN null: RUN_CHANGED"),
    ("another prompt", &["update run set prompt = 'What else?' where id = RUN"], "BROKEN null: RUN_CHANGED"),
    (
        "another head",
        &["update run set chain_head = salt from run_event where id = RUN and run_id = RUN and sequence = 1"],
        "BROKEN null: RUN_CHANGED",
    ),
    ("an artifact gone", &["delete from artifact where run_id = RUN"], "BROKEN null: ARTIFACT_MISSING 5"),
    (
        "an artifact by another name",
        &["update artifact set name = 'other.md' where run_id = RUN"],
        "BROKEN null: ARTIFACT_CHANGED 5",
    ),
    (
        "another hash of an artifact",
        &[
            "update file_version set sha256 = 'e3b0' where version_id in (select version_id from artifact where run_id = RUN)",
        ],
        "BROKEN null: ARTIFACT_CHANGED 5, ARTIFACT_CHANGED 5",
    ),
];

on_engines! {
    async fn a_run_that_nobody_changed_is_sealed(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Sealed").await;
        let run = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let (queued, running) = (started(&amy.start(&project, json!({})).await), amy.integrity(&run).await);
        assert_eq!(found(&running), "SEALED null: ", "{running:#}");
        assert_eq!(amy.integrity(&queued).await["status"], "SEALED");
        gate.open();
        let ended = amy.ended(&run).await;
        let whole = amy.integrity(&run).await;
        assert_eq!(found(&whole), "SEALED null: ", "{whole:#}");
        assert_eq!((&whole["eventsChecked"], &whole["sealedFrom"]), (&ended["lastSequence"], &json!(1)));
        let head = whole["head"].as_str().expect("a head");
        assert!(head.len() == 64 && running["head"] != whole["head"], "{head}");
        amy.ended(&queued).await;
        assert_ne!(amy.integrity(&queued).await["head"], whole["head"]);
        // What is not yours does not exist.
        let bob = world.user("bob").await;
        assert_eq!(bob.ask(INTEGRITY, json!({ "run": run })).await, json!({ "run": null }));
        world.stop().await;
    }

    async fn what_somebody_changes_in_the_database_is_found_and_named(engine) {
        let world = engine.world(|_, crew| saving(crew)).await;
        let amy = world.user("amy").await;
        let project = amy.project("Changed").await;
        let untouched = amy.finished_run(&project, "untouched").await;
        let mut beside = world.beside().await;
        beside.unlock().await;
        let mut seen = Vec::new();
        for (what, statements, expected) in TAMPERED {
            let run = amy.finished_run(&project, &what.replace(' ', "-")).await;
            assert_eq!(amy.integrity(&run).await["status"], "SEALED");
            tamper(&mut beside, &run, statements).await;
            let integrity = amy.integrity(&run).await;
            let before = format!("{what}: {expected}");
            seen.push((format!("{what}: {}", found(&integrity)), before));
        }
        let wrong: Vec<_> = seen.iter().filter(|(seen, expected)| seen != expected).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let clean = amy.integrity(&untouched).await;
        assert_eq!((found(&clean).as_str(), &clean["artifactsChecked"]), ("SEALED null: ", &json!(1)));
        beside.close().await;
        world.stop().await;
    }

    async fn a_changed_byte_of_an_artifact_is_found_and_named(engine) {
        let world = engine.world(|_, crew| saving(crew)).await;
        let amy = world.user("amy").await;
        let project = amy.project("Bytes").await;
        let mut runs = Vec::new();
        for prompt in ["flipped", "shortened", "longer", "missing"] {
            runs.push(amy.finished_run(&project, prompt).await);
        }
        let mut bytes = fs::read(object(&world, "flipped")).expect("the object");
        bytes[3] ^= 1;
        fs::write(object(&world, "flipped"), &bytes).expect("changed");
        fs::write(object(&world, "shortened"), &bytes[1..]).expect("changed");
        fs::write(object(&world, "longer"), [&bytes[..], b"\n"].concat()).expect("changed");
        fs::remove_file(object(&world, "missing")).expect("removed");
        let mut messages = Vec::new();
        for run in &runs {
            let integrity = amy.integrity(run).await;
            messages.push(found(&integrity));
            let message = integrity["findings"][0]["message"].as_str().expect("a message");
            messages.push(message.split(' ').filter(|word| !word.starts_with("(artifact_")).collect::<Vec<_>>().join(" "));
        }
        insta::allow_duplicates! { insta::assert_snapshot!(messages.join("\n"), @r"
        BROKEN null: ARTIFACT_CHANGED 5
        The artifact “flipped.md” has other bytes: their SHA-256 is 816d92bd6e6a7feb55c374de2dc24d2764dbba465174c5d799a69d348530505c, and was d6817ea7b19a01941165829277eb4a3abbf2d6e54814a8d2a584845f0b4403aa.
        BROKEN null: ARTIFACT_CHANGED 5
        The artifact “shortened.md” has other bytes: 15 of them, where 16 were kept.
        BROKEN null: ARTIFACT_CHANGED 5
        The artifact “longer.md” has other bytes: 17 of them, where 16 were kept.
        BROKEN null: ARTIFACT_MISSING 5
        The artifact “missing.md” has lost its bytes.
        ") };
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_runs_are_not_checked_in_one_request() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Costly").await;
    let asking = |first: u32| {
        format!("{{ project(id: \"{project}\") {{ runs(first: {first}) {{ nodes {{ integrity {{ status }} }} }} }} }}")
    };
    assert!(amy.answer(&asking(9), json!({})).await.get("errors").is_none());
    let refused = amy.answer(&asking(50), json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused:#}");
    world.stop().await;
}
