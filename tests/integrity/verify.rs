//! `workroom verify`, as whoever runs the server runs it.

use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use super::{finding, found, object, saving, tamper};
use crate::world::{PATIENCE, World, engine::on_engines};

/// What the program said on its standard output, line by line, and how it ended.
async fn verify(world: &World, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let running = world.program(&[&["verify"], arguments].concat()).output();
    let output = timeout(PATIENCE, running).await.expect("it ends in time").expect("it runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said.lines().map(str::to_owned).collect())
}

/// The same with `--json`: the findings, and the sums.
async fn verified(world: &World, arguments: &[&str]) -> (Option<i32>, Vec<Value>, Value) {
    let (code, lines) = verify(world, &[arguments, &["--json"]].concat()).await;
    let mut lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sums = lines.pop().expect("a last line");
    (code, lines, sums)
}

on_engines! {
    async fn beside_a_server_that_works_nothing_is_wrong(engine) {
        let world = engine.world(|_, crew| saving(crew)).await;
        let (amy, bob) = (world.user("amy").await, world.user("bob").await);
        let mut runs = Vec::new();
        for (user, name) in [(&amy, "One"), (&bob, "Two")] {
            let project = user.project(name).await;
            user.upload(&project, &[("terms.md", b"# Terms")]).await;
            user.finished_run(&project, "before").await;
            for number in 0..5 {
                runs.push((user, user.start_run(&project, &format!("run-{number}")).await));
            }
        }
        // While they are executed.
        let (code, lines) = verify(&world, &[]).await;
        assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
        assert!(lines[0].starts_with("Nothing is wrong. Checked: 2 projects, "), "{lines:?}");
        for (user, run) in &runs {
            user.ended(run).await;
        }
        let (code, findings, sums) = verified(&world, &[]).await;
        assert_eq!((code, findings), (Some(0), vec![]));
        assert_eq!(sums, json!({ "checked": { "projects": 2, "runs": 12, "sealedRuns": 12, "unsealedRuns": 0,
            "events": sums["checked"]["events"], "artifacts": 12, "files": 2 }, "findings": 0 }));
        world.stop().await;
    }

    async fn what_is_wrong_is_named_with_its_project_and_run(engine) {
        let world = engine.world(|_, crew| saving(crew)).await;
        let amy = world.user("amy").await;
        let (project, other) = (amy.project("One").await, amy.project("Two").await);
        amy.upload(&project, &[("terms.md", b"# Terms"), ("gone.md", b"# Gone")]).await;
        let mut runs = Vec::new();
        for prompt in ["event", "bytes", "removed", "right"] {
            runs.push(amy.finished_run(&project, prompt).await);
        }
        amy.finished_run(&other, "right").await;
        let mut beside = world.beside().await;
        beside.unlock().await;
        tamper(&mut beside, &runs[0], &["update run_event set at = at + 1 where run_id = RUN and sequence = 3"]).await;
        let tables = ["ended_run where id", "run_search where run_id", "run_event where run_id", "run_turn where run_id",
            "run_model where run_id", "artifact where run_id", "idempotency_key where subject_id", "run where id"];
        let statements = tables.map(|table| format!("delete from {table} = RUN"));
        tamper(&mut beside, &runs[2], &statements.each_ref().map(String::as_str)).await;
        beside.close().await;
        let change = |path: &std::path::Path| {
            let mut bytes = std::fs::read(path).expect("an object");
            bytes[2] ^= 0x40;
            std::fs::write(path, bytes).expect("changed");
        };
        change(&object(&world, "bytes"));
        change(&object(&world, "terms"));
        std::fs::remove_file(object(&world, "gone")).expect("removed");

        let (code, findings, sums) = verified(&world, &[]).await;
        assert_eq!((code, &sums["findings"]), (Some(1), &json!(5)));
        assert!(findings.iter().all(|found| found["project"] == project.as_str()), "{findings:#?}");
        let mut named: Vec<String> = findings.iter().map(|found| format!("{} {}", found["runNumber"], finding(found))).collect();
        named.sort();
        assert_eq!(named, ["1 EVENT_CHANGED 3", "2 ARTIFACT_CHANGED 5", "null FILE_CHANGED", "null FILE_MISSING", "null RUN_MISSING"]);
        assert_eq!(findings[0]["run"], runs[0].as_str());
        let messages: String = findings.iter().map(|found| found["message"].as_str().expect("a message")).collect();
        for name in ["bytes.md", "drive/terms.md", "drive/gone.md", "Run 3 of the project is missing."] {
            assert!(messages.contains(name), "{name}: {messages}");
        }
        let (code, lines) = verify(&world, &["--project", &project]).await;
        assert_eq!((code, lines.len()), (Some(1), 6));
        assert!(lines[0].contains(&project) && lines[0].contains(&runs[0]) && lines[0].contains("Event 3"), "{lines:?}");
        let (code, findings, _) = verified(&world, &["--project", &other]).await;
        assert_eq!((code, findings), (Some(0), vec![]));
        let (code, lines) = verify(&world, &["--project", "project_01h455vb4pex5vsknk084sn02q"]).await;
        assert_eq!((code, lines), (Some(1), vec![]));
        // Of a run of which nothing is right the first findings are told, and the others counted.
        let mut beside = world.beside().await;
        let notice = "insert into run_event (run_id, sequence, at, kind, body) select RUN, sequence * 100 + other, 0, 'Notice', '{}'
            from run_event, (select 1 as other union all select 2 union all select 3 union all select 4) as others
            where run_id = RUN";
        tamper(&mut beside, &runs[3], &["update run set last_sequence = 10000 where id = RUN", notice]).await;
        beside.close().await;
        let (code, findings, sums) = verified(&world, &["--project", &project]).await;
        assert_eq!(code, Some(1));
        let (more, told): (Vec<_>, Vec<_>) = findings.iter().partition(|found| found.get("more").is_some());
        assert_eq!((told.len(), more.len()), (5 + 20, 1));
        assert_eq!(sums["findings"], 25 + more[0]["more"].as_u64().expect("a count"));
        // The server goes on, and says the same.
        assert_eq!(found(&amy.integrity(&runs[0]).await), "BROKEN 3: EVENT_CHANGED 3");
        assert_eq!(amy.integrity(&runs[3]).await["findings"].as_array().map(Vec::len), Some(20));
        world.stop().await;
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_has_nothing_right_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_workroom"));
    let output = command.arg("verify").current_dir(folder.path()).env_clear().output().await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("There is no database at"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing is made");
}
