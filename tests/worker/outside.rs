//! Workers that live elsewhere: what only they can see of the API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use workroom::{
    model::{run::is_elsewhere, scope::Sweep},
    store::lease,
};

use crate::world::{
    User,
    engine::on_engines,
    id,
    outside::{AGENT, Claimed, code, said},
    promise::TRIES,
    runs::{assert_whole, kind, of_kind, started},
};

const LEASE: Duration = Duration::from_millis(800);

/// A run, claimed by a worker elsewhere.
async fn claimed(amy: &User, worker: &User) -> Claimed {
    let project = amy.project("Elsewhere").await;
    let run = amy.start_outside(&project, "Go.").await;
    let claimed = worker.claims("first", 5).await.expect("a run");
    assert_eq!(claimed.run, run);
    claimed
}

/// The texts of a timeline's messages.
async fn messages(user: &User, run: &str) -> Vec<String> {
    let query = "query($run: ID!) { run(id: $run) { events(first: 500) { nodes { ... on AgentMessage { text } } } } }";
    let data = user.ask(query, json!({ "run": run })).await;
    let nodes = data["run"]["events"]["nodes"].as_array().expect("events").clone();
    nodes.iter().filter_map(|node| Some(node["text"].as_str()?.to_owned())).collect()
}

/// The code of an answer that has no data.
async fn refused(user: &User, document: &str) -> Value {
    user.answer(document, json!({})).await["errors"][0]["extensions"]["code"].take()
}

on_engines! {
    async fn what_is_sent_twice_is_there_once(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let mut run = claimed(&amy, &worker).await;
        assert_eq!(run.last, 2, "queued and started");
        // Numbers and letters that are not the same when they are written and read carelessly.
        let odd = json!({ "toolCalled": { "callId": "c", "tool": "t", "input": { "b": 1.091_637_784_765_711_9e-7, "a": [0.1, "\u{0}ä"] } } });
        let first = [said("a"), odd, said("b")];
        // At once, as when a client asks again while the first answer is still on its way; and afterwards.
        let (one, other) = futures_util::join!(run.append_at(2, &first), run.append_at(2, &first));
        let answers = [one, other, run.append_at(2, &first).await];
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        assert_eq!(answers[0]["lastSequence"], 5);
        run.last = 5;
        run.appends(&[said("c")]).await;
        assert_eq!(run.append_at(2, &first).await["lastSequence"], 5, "even when it went on since");

        for (expected, events) in [(2, vec![said("other")]), (2, vec![said("a")]), (9, vec![said("d")]), (4, vec![said("c"), said("d")])] {
            let payload = run.append_at(expected, &events).await;
            // A part of what was sent may be asked for again: it is there.
            if events == [said("a")] {
                assert_eq!(payload["lastSequence"], 3);
                continue;
            }
            assert_eq!(payload["userErrors"][0]["__typename"], "SequenceConflictError", "{payload:#}");
            assert_eq!((code(&payload), &payload["lastSequence"]), ("CONFLICT", &Value::Null));
        }
        assert_eq!(messages(&amy, &run.run).await, ["a", "b", "c"]);

        let done = json!({ "completed": { "answer": "done" } });
        let ends = [run.finish(done.clone()).await, run.finish(done).await];
        assert_eq!(ends[0], ends[1]);
        assert_eq!(ends[0]["run"]["status"], "COMPLETED");
        let otherwise = run.finish(json!({ "completed": { "answer": "else" } })).await;
        assert_eq!(code(&otherwise), "RUN_ENDED");
        assert_eq!(code(&run.append_at(6, &[said("late")]).await), "RUN_ENDED");
        assert_eq!(code(&run.renew().await), "RUN_ENDED");
        assert_whole(&amy.whole_timeline(&run.run).await);
        world.stop().await;
    }

    async fn who_does_not_renew_loses_the_run_to_the_next_and_can_do_nothing_more(engine) {
        let world = engine.world(|_, crew| crew.lease = LEASE).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let mut silent = claimed(&amy, &worker).await;
        silent.appends(&[said("before")]).await;
        let began = Instant::now();
        while began.elapsed() < LEASE * 3 {
            assert_eq!(silent.renew().await["userErrors"], json!([]));
            tokio::time::sleep(LEASE / 4).await;
        }
        assert!(worker.claims("second", 0).await.is_none(), "who renews keeps it");

        let began = Instant::now();
        let mut second = worker.claims("second", 20).await.expect("the run is free after the lease");
        assert!(began.elapsed() >= LEASE / 2, "{:?}", began.elapsed());
        assert_eq!((&second.run, second.last), (&silent.run, 4));
        second.appends(&[said("after")]).await;
        for payload in [
            silent.append_at(4, &[said("lost")]).await,
            silent.append_at(5, &[said("lost")]).await,
            // It was there before the lease was lost, but what comes back is no run of this worker's any more.
            silent.append_at(2, &[said("before")]).await,
            silent.renew().await,
            silent.finish(json!({ "completed": { "answer": "lost" } })).await,
        ] {
            assert_eq!(code(&payload), "LEASE_LOST", "{payload:#}");
        }
        second.completes("done").await;
        let events = amy.whole_timeline(&second.run).await;
        assert_whole(&events);
        let resumed = of_kind(&events, "RUN_RESUMED")[0];
        assert_eq!(resumed["worker"], "second");
        assert!(resumed["reason"].as_str().expect("a reason").contains("without handing"), "{resumed:#}");
        assert_eq!(messages(&amy, &second.run).await, ["before", "after"]);
        world.stop().await;
    }

    async fn a_claim_that_waits_gets_a_run_at_once(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        assert_eq!(worker.claim_payload("w", 0).await, json!({ "run": null, "lease": null, "userErrors": [] }));
        let mut waits = Vec::new();
        for _ in 0..TRIES {
            let project = amy.project("Elsewhere").await;
            let waiting = tokio::spawn({
                let worker = worker.clone();
                async move { (worker.claims("w", 20).await, Instant::now()) }
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            let run = amy.start_outside(&project, "Go.").await;
            let started = Instant::now();
            let (claimed, then) = waiting.await.expect("an answer");
            assert_eq!(claimed.expect("a run").run, run);
            waits.push(then.saturating_duration_since(started));
        }
        // Sooner than at the next look: a bell was heard.
        assert!(waits.iter().min() < Some(&Duration::from_millis(500)), "{waits:?}");
        world.stop().await;
    }

    async fn a_run_that_is_to_stop_ends_even_if_its_worker_goes_on(engine) {
        let world = engine.world(|_, crew| crew.lease = LEASE / 4).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let mut deaf = claimed(&amy, &worker).await;
        amy.cancel(&deaf.run).await;
        let going_on = async {
            loop {
                let payload = deaf.append_at(deaf.last, &[said("and on")]).await;
                match payload["lastSequence"].as_u64() {
                    Some(last) => deaf.last = last,
                    None => return payload,
                }
                deaf.renew().await;
            }
        };
        let refused = tokio::time::timeout(crate::world::PATIENCE, going_on).await.expect("it does not go on for ever");
        assert!(matches!(code(&refused), "RUN_ENDED" | "LEASE_LOST"), "{refused:#}");
        assert_eq!(amy.ended(&deaf.run).await["status"], "CANCELLED");
        assert_whole(&amy.whole_timeline(&deaf.run).await);
        world.stop().await;
    }

    async fn who_starts_anew_each_time_is_not_given_the_run_for_ever(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let mut run = claimed(&amy, &worker).await;
        let store = world.house().app().store.clone();
        let mut claims = 1;
        loop {
            run.appends(&[said("I begin.")]).await;
            // And then it dies, is found to be silent, and is started again.
            let seen = lease::watch(&mut store.read().await.expect("a connection"), &Sweep::new()).await.expect("a read");
            let seen = seen.into_iter().find(|seen| is_elsewhere(&seen.agent)).expect("the run");
            let freed = store.write(move |tx| {
                let seen = seen.clone();
                Box::pin(async move { lease::release(tx, &Sweep::new(), &seen).await })
            });
            assert!(freed.await.expect("an answer"));
            match worker.claims("again", 0).await {
                Some(again) => run = again,
                None => break,
            }
            claims += 1;
        }
        assert_eq!(claims, 20);
        let ended = amy.ended(&run.run).await;
        assert_eq!(ended["status"], "FAILED");
        assert_eq!(amy.whole_timeline(&run.run).await.last().expect("events")["failure"]["code"], "TOO_MANY_ATTEMPTS");
        world.stop().await;
    }

    async fn a_cancellation_is_told_with_each_answer(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let mut run = claimed(&amy, &worker).await;
        assert_eq!(run.appends(&[said("a")]).await["cancelRequestedAt"], Value::Null);
        let unasked = run.finish(json!({ "cancelled": true })).await;
        assert_eq!(code(&unasked), "INVALID", "nobody asked for it");
        amy.cancel(&run.run).await;
        assert!(run.renew().await["run"]["cancelRequestedAt"].is_string());
        assert!(run.appends(&[said("b")]).await["cancelRequestedAt"].is_string());
        let end = run.finish(json!({ "cancelled": true })).await;
        assert_eq!(end["run"]["status"], "CANCELLED", "{end:#}");
        assert_eq!(amy.whole_timeline(&run.run).await.last().expect("events")["by"], "USER");
        world.stop().await;
    }

    async fn a_run_that_its_worker_left_ends_when_it_is_cancelled(engine) {
        let world = engine.world(|_, crew| crew.lease = LEASE).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let left = claimed(&amy, &worker).await;
        amy.cancel(&left.run).await;
        assert_eq!(amy.ended(&left.run).await["status"], "CANCELLED");
        assert_eq!(code(&left.renew().await), "RUN_ENDED");
        let events = amy.whole_timeline(&left.run).await;
        assert_whole(&events);
        world.stop().await;
    }

    async fn what_nobody_gets_on_with_is_given_up(engine) {
        let world = engine.world(|settings, crew| (settings.max_attempts, crew.lease) = (2, LEASE / 2)).await;
        let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
        let first = claimed(&amy, &worker).await;
        // The second claim would be the second attempt without a step: it ends the run instead of handing it out.
        assert!(worker.claims("second", 5).await.is_none());
        let ended = amy.ended(&first.run).await;
        assert_eq!(ended["status"], "FAILED");
        let events = amy.whole_timeline(&first.run).await;
        assert_whole(&events);
        assert_eq!(events.last().expect("events")["failure"]["code"], "TOO_MANY_ATTEMPTS");
        world.stop().await;
    }

    async fn a_worker_sees_its_users_runs_and_nobody_elses(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, bob) = (world.user("amy").await, world.worker_of("bob").await);
        let project = amy.project("Hers").await;
        amy.start_outside(&project, "Go.").await;
        assert!(bob.claims("bob's", 0).await.is_none());
        let hers = world.worker_of("amy").await.claims("hers", 5).await.expect("her run");
        let stolen = Claimed { worker: bob.clone(), ..hers.clone() };
        let invented = Claimed { token: format!("{}AAAA", &hers.token[..hers.token.len() - 4]), ..stolen.clone() };
        for shown in [stolen, invented] {
            for payload in [shown.append_at(2, &[said("x")]).await, shown.renew().await, shown.finish(json!({ "completed": { "answer": "x" } })).await] {
                let error = &payload["userErrors"][0];
                assert_eq!((&error["code"], &error["message"]), (&json!("NOT_FOUND"), &json!("There is no such lease.")));
            }
        }
        assert_eq!(amy.whole_timeline(&hers.run).await.len(), 2);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_token_executes_and_reads_and_a_users_does_all_else() {
    let world = crate::world::World::start().await;
    let (amy, worker, admin) = (world.user("amy").await, world.worker_of("amy").await, world.admin("root").await);
    let run = claimed(&amy, &worker).await;
    let claim = format!(r#"mutation {{ claimRun(input: {{ agents: ["{AGENT}"], worker: "w" }}) {{ run {{ id }} }} }}"#);
    for user in [&amy, &admin] {
        assert_eq!(refused(user, &claim).await, "FORBIDDEN");
    }
    let create = r#"mutation { createProject(input: { name: "no" }) { project { id } } }"#;
    let cancel = format!(r#"mutation {{ cancelRun(input: {{ runId: "{}" }}) {{ run {{ id }} }} }}"#, run.run);
    for document in [create, &cancel, "mutation { logout { revokedSessions } }"] {
        assert_eq!(refused(&worker, document).await, "FORBIDDEN", "{document}");
    }
    let read =
        worker.ask("query($run: ID!) { run(id: $run) { id project { name } } }", json!({ "run": run.run })).await;
    assert_eq!(read["run"]["project"]["name"], "Elsewhere");
    // The worker of an admin is a worker, not an admin.
    let roots = world.worker_of("root").await;
    assert_eq!(refused(&roots, "{ adminSessions { totalCount } }").await, "FORBIDDEN");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_serves_its_own_agents() {
    let world = crate::world::World::start().await;
    let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
    let project = amy.project("Two").await;
    let ours = amy.start_outside(&project, "Ours.").await;
    let here = started(&amy.start(&project, json!({})).await);
    let elsewhere = amy.project("Third").await;
    let theirs = started(&amy.start(&elsewhere, json!({ "agent": "acme/other", "model": "big" })).await);
    let run = worker.claims("w", 5).await.expect("a run");
    assert_eq!(run.run, ours);
    assert!(worker.claims("w", 0).await.is_none(), "the other agent's run is not this worker's");
    assert_eq!(amy.status(&here).await, "QUEUED", "one run of a project at a time, whoever executes it");
    run.completes("done").await;
    assert_eq!(amy.ended(&here).await["status"], "COMPLETED");
    assert_eq!(amy.status(&theirs).await, "QUEUED");
    let again = amy.rerun(&ours, json!({})).await;
    let read = amy.ask("query($run: ID!) { run(id: $run) { agent model } }", json!({ "run": id(&again["run"]) })).await;
    assert_eq!(read["run"], json!({ "agent": AGENT, "model": "default" }));
    for agent in ["Acme/x", "acme", "acme/", "workroom/other", "acme/x/y", "a b/c"] {
        assert_eq!(code(&amy.start(&project, json!({ "agent": agent })).await), "INVALID", "{agent}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_may_not_say_is_refused_by_its_place() {
    let world = crate::world::World::start().await;
    let (amy, worker) = (world.user("amy").await, world.worker_of("amy").await);
    let run = claimed(&amy, &worker).await;
    let mut told = Vec::new();
    // A variable may be as deep as JSON may be, and stand deep in a literal.
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let document = format!(
        r#"mutation($v: JSON!) {{ appendRunEvents(input: {{ leaseToken: "{}", expectedSequence: 2, events: [{{ toolCalled: {{
        callId: "1", tool: "t", input: {}$v{} }} }}] }}) {{ userErrors {{ code path message }} }} }}"#,
        run.token,
        "[".repeat(40),
        "]".repeat(40)
    );
    let error = worker.ask(&document, json!({ "v": deep })).await["appendRunEvents"]["userErrors"][0].take();
    told.push(format!(
        "{} {}: {}",
        error["code"].as_str().expect("a code"),
        error["path"],
        error["message"].as_str().expect("words")
    ));
    for events in [
        vec![],
        vec![said("x"); 501],
        vec![said("a"), said(&"x".repeat(65 << 10))],
        vec![json!({ "fileRead": { "area": "DRIVE", "path": "../secret" } })],
        vec![json!({ "toolCalled": { "callId": "", "tool": "t", "input": {} } })],
        vec![json!({ "usageRecorded": { "model": "m", "inputTokens": 9_000_000_000_000_000_u64, "outputTokens": 0 } })],
    ] {
        let error = run.append_at(2, &events).await["userErrors"][0].take();
        told.push(format!(
            "{} {}: {}",
            error["code"].as_str().expect("a code"),
            error["path"],
            error["message"].as_str().expect("words")
        ));
    }
    for claim in [
        json!({ "agents": [], "worker": "w" }),
        json!({ "agents": ["workroom/general"], "worker": "w" }),
        json!({ "agents": [AGENT], "worker": "" }),
        json!({ "agents": [AGENT], "worker": "w", "waitSeconds": 21 }),
    ] {
        let error = worker.mutate("claimRun", claim, "run { id }").await["userErrors"][0].take();
        told.push(format!(
            "{} {}: {}",
            error["code"].as_str().expect("a code"),
            error["path"],
            error["message"].as_str().expect("words")
        ));
    }
    for outcome in [
        json!({ "failed": { "code": "too bad", "message": "m" } }),
        json!({ "completed": { "answer": "a\u{0}b" } }),
        json!({ "cancelled": false }),
    ] {
        let error = run.finish(outcome).await["userErrors"][0].take();
        told.push(format!(
            "{} {}: {}",
            error["code"].as_str().expect("a code"),
            error["path"],
            error["message"].as_str().expect("words")
        ));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    INVALID ["input","events","0"]: This JSON is nested too deeply to be kept in an event.
    INVALID ["input","events"]: From 1 to 500 events at once.
    INVALID ["input","events"]: From 1 to 500 events at once.
    INVALID ["input","events","1"]: At most 65536 bytes of JSON in one event; these are 66585. Save what is larger as a file.
    INVALID ["input","events","0"]: This path is not taken: `.` and `..` lead nowhere here.
    INVALID ["input","events","0"]: `callId` has 1 to 200 characters, and no control characters.
    INVALID ["input","events","0"]: At most 1000000000 tokens of each sort in one event.
    INVALID ["input","agents"]: From 1 to 20 agents.
    INVALID ["input","agents"]: Agents whose names begin with `workroom/` are this server's own. Take a name of yours.
    INVALID ["input","worker"]: A name is needed.
    INVALID ["input","waitSeconds"]: At most 20 seconds.
    INVALID ["input","outcome","failed"]: A code is a word such as `MODEL_UNAVAILABLE`: capital letters, digits and `_`.
    INVALID ["input","outcome","completed"]: The NUL character is not taken here.
    INVALID ["input","outcome","cancelled"]: `cancelled` is true or left out. A run that was not stopped has completed or failed.
    "#);
    let events = amy.whole_timeline(&run.run).await;
    assert_eq!(events.iter().map(kind).collect::<Vec<_>>(), ["RUN_QUEUED", "RUN_STARTED"]);
    world.stop().await;
}
