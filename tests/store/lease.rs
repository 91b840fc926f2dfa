//! Leases: claims, renewal, take-over, and what has ended.

use std::collections::HashSet;

use workroom::{
    clock,
    model::{
        event::RunStarted,
        id::ProjectId,
        run::{CancelledBy, RunFailure, RunStatus, TokenUsage},
        scope::{RunLease, Sweep},
    },
    store::{
        Store,
        event::{self, Append},
        lease::{self, Claimant, Ending, Watched},
        run,
        turn::{self, Turn},
    },
};

use super::fixture::{Desk, change, claim, end, ending, reading, unit};
use crate::support::on_both;

async fn watched(store: &Store) -> Watched {
    let mut all = lease::watch(&mut reading(store).await, &Sweep::new()).await.expect("a read");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn take_over(store: &Store, seen: &Watched) -> Option<RunLease> {
    unit!(store, [seen] tx => lease::take_over(tx, &seen, "second").await).expect("an answer")
}

async fn renew(store: &Store, lease: RunLease) -> bool {
    unit!(store, [] tx => lease::renew(tx, &lease).await).expect("an answer")
}

async fn advance(store: &Store, lease: RunLease, count: i64) -> Option<i64> {
    let bodies = (0..count).map(|_| RunStarted { worker: "w".into() }.into()).collect();
    let append = Append { lease, after: None, at: clock::now(), bodies, turn: None };
    unit!(store, [append] tx => event::append(tx, &append).await).expect("an answer")
}

fn tokens(input: u64, output: u64) -> TokenUsage {
    TokenUsage {
        input_tokens: input.into(),
        cached_input_tokens: (input / 2).into(),
        output_tokens: output.into(),
        reasoning_tokens: (output / 2).into(),
    }
}

on_both! {
    async fn claims_go_to_one_worker_each_and_one_run_per_project(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let mut oldest = HashSet::new();
        for _ in 0..10 {
            let other = Desk::another(&store, &desk.viewer).await;
            oldest.insert(other.queue(&store).await.id);
            for _ in 0..3 {
                other.queue(&store).await;
            }
        }
        let claims = futures_util::future::join_all((0..20).map(|_| claim(&store, "worker"))).await;
        let leases: Vec<_> = claims.into_iter().flatten().collect();
        assert_eq!(leases.len(), 10, "every claimer got a run as long as a project was free");
        assert_eq!(leases.iter().map(|lease| lease.scope().project_id()).collect::<HashSet<ProjectId>>().len(), 10);
        assert_eq!(leases.iter().map(RunLease::run_id).collect::<HashSet<_>>(), oldest, "each project's oldest first");
        assert!(leases.iter().all(|lease| lease.generation() == 1));
    }

    async fn a_projects_runs_are_claimed_one_after_another_in_order(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let (one, two) = (desk.queue(&store).await, desk.queue(&store).await);
        let lease = claim(&store, "worker").await.expect("the first");
        assert_eq!(lease.run_id(), one.id);
        assert_eq!((lease.scope().project_id(), lease.scope().user_id()), (desk.project.id, desk.viewer.user_id()));
        assert_eq!(claim(&store, "worker").await, None, "its project is busy");
        let running = run::get(&mut reading(&store).await, &desk.viewer, one.id).await.expect("a read").expect("the run");
        assert_eq!(running.status, RunStatus::Running);
        assert!(running.started_at.is_some());
        assert_eq!(end(&store, &lease, RunStatus::Completed).await, Some(1));
        assert_eq!(claim(&store, "worker").await.expect("the second").run_id(), two.id);
    }

    async fn a_claimant_is_given_what_it_may_have(store: Store) {
        let (ada, bob) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let (hers, his) = (ada.queue(&store).await.id, bob.queue(&store).await.id);
        let claimant = |agent: &str, of: &Desk| Claimant {
            name: "elsewhere".into(),
            agents: vec!["some/other".into(), agent.into()],
            user_id: Some(of.viewer.user_id()),
        };
        let claim = async |claimant: Claimant| {
            unit!(store, [claimant] tx => lease::claim(tx, &claimant, clock::now()).await).expect("an answer")
        };
        let left = async |claimant: Claimant| {
            unit!(store, [claimant] tx => lease::left(tx, &claimant).await).expect("an answer")
        };
        let waits = async |claimant: Claimant| {
            lease::some_wait(&mut reading(&store).await, &claimant, clock::now()).await.expect("a read")
        };
        assert!(waits(claimant("general", &ada)).await && !waits(claimant("another", &ada)).await);
        assert_eq!(claim(claimant("another", &ada)).await, None);
        let lease = claim(claimant("general", &bob)).await.expect("a run of bob's");
        assert_eq!(lease.run_id(), his);
        assert_eq!(claim(claimant("general", &bob)).await, None);
        assert!(!waits(claimant("general", &bob)).await);

        assert_eq!(left(claimant("general", &bob)).await, None, "it is held");
        let seen = watched(&store).await;
        let release = async |seen: Watched| {
            unit!(store, [seen] tx => lease::release(tx, &Sweep::new(), &seen).await).expect("an answer")
        };
        assert!(renew(&store, lease).await);
        assert!(!release(seen).await, "it has moved");
        assert!(release(watched(&store).await).await);
        assert!(!release(watched(&store).await).await, "it is free already");
        assert!(!renew(&store, lease).await, "whoever held it has lost it");
        assert_eq!(left(claimant("general", &ada)).await, None);
        assert_eq!(left(claimant("another", &bob)).await, None);
        let free = left(claimant("general", &bob)).await.expect("bob's run is free");
        assert_eq!((free.id, free.free), (his, true));
        assert!(waits(claimant("general", &bob)).await);
        assert!(take_over(&store, &free).await.is_some());
        let held = watched(&store).await;
        let seize = async |seen: Watched| {
            unit!(store, [seen] tx => lease::seize(tx, &Sweep::new(), &seen, "reaper").await).expect("an answer")
        };
        assert!(seize(held.clone()).await.is_some(), "even from a holder");
        assert!(seize(held).await.is_none(), "once");
        assert_eq!(claim(claimant("general", &ada)).await.map(|lease| lease.run_id()), Some(hers));
    }

    async fn an_append_that_says_where_it_comes_is_kept_nowhere_else(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        desk.queue(&store).await;
        let lease = claim(&store, "first").await.expect("the run");
        let append = async |after| {
            let bodies = (0..2).map(|_| RunStarted { worker: "w".into() }.into()).collect();
            let append = Append { lease, after: Some(after), at: clock::now(), bodies, turn: None };
            store.append(append).await.expect("an answer")
        };
        assert_eq!(append(1).await, None);
        assert_eq!(append(0).await, Some(2));
        assert_eq!(append(0).await, None);
        assert_eq!(append(2).await, Some(4));
    }

    async fn renewal_and_take_over_fence_the_earlier_holder(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let earlier = desk.start(&store).await;
        let seen = watched(&store).await;
        assert!(!seen.free);
        assert!(renew(&store, earlier).await);
        assert_eq!(take_over(&store, &seen).await, None, "a lease that moved is not taken");
        assert_eq!(advance(&store, earlier, 3).await, Some(3));

        let seen = watched(&store).await;
        let takers = futures_util::future::join_all((0..10).map(|_| take_over(&store, &seen))).await;
        let mut taken = takers.into_iter().flatten();
        let later = taken.next().expect("one takes over");
        assert!(taken.next().is_none(), "one alone");
        assert_eq!(later.generation(), earlier.generation() + 1);

        assert!(!renew(&store, earlier).await);
        assert_eq!(advance(&store, earlier, 1).await, None);
        assert_eq!(end(&store, &earlier, RunStatus::Completed).await, None);
        unit!(store, [] tx => lease::hand_back(tx, &earlier).await).expect("an answer");
        unit!(store, [] tx => lease::add_usage(tx, &earlier, "m", &tokens(5, 5)).await).expect("an answer");
        let mut conn = reading(&store).await;
        assert_eq!(lease::run_of(&mut conn, &earlier).await.expect("a read"), None);
        let seen = lease::run_of(&mut conn, &later).await.expect("a read").expect("the run");
        assert_eq!(seen.usage, TokenUsage::default());
        let models = run::models(&mut conn, &desk.viewer, &[later.run_id()]).await.expect("a read");
        assert!(models.is_empty(), "a fenced holder counts nothing: {models:?}");
        drop(conn);
        assert!(renew(&store, later).await);
        assert_eq!(advance(&store, later, 2).await, Some(5));
        let ended_by = async |lease| lease::ended_by(&mut reading(&store).await, &lease).await.expect("a read");
        assert_eq!(ended_by(later).await, None);
        assert_eq!(end(&store, &later, RunStatus::Completed).await, Some(6));
        assert_eq!(ended_by(later).await.map(|run| run.status), Some(RunStatus::Completed));
        assert_eq!(ended_by(earlier).await, None, "it was another holder");
        assert!(!renew(&store, later).await);
        assert_eq!(advance(&store, later, 1).await, None);
        assert_eq!(end(&store, &later, RunStatus::Failed).await, None);
    }

    async fn a_lease_that_is_handed_back_is_free_at_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let before = watched(&store).await;
        unit!(store, [] tx => lease::hand_back(tx, &lease).await).expect("an answer");
        let after = watched(&store).await;
        assert!(after.free && after != before);
        assert!(!renew(&store, lease).await);
        assert_eq!(advance(&store, lease, 1).await, None);
        assert_eq!(lease::run_of(&mut reading(&store).await, &lease).await.expect("a read"), None);
        assert_eq!(claim(&store, "worker").await, None, "it is still running");
        assert_eq!(take_over(&store, &before).await, None);
        let later = take_over(&store, &after).await.expect("it is free");
        assert_eq!(advance(&store, later, 1).await, Some(1));
    }

    async fn sequences_of_many_appenders_are_dense(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let lasts = futures_util::future::join_all((1..=40).map(|count| advance(&store, lease, count))).await;
        let mut spans: Vec<_> = (1..=40).zip(lasts).map(|(count, last)| {
            let last = last.expect("the lease is held");
            (last - count + 1, last)
        }).collect();
        spans.sort_unstable();
        assert_eq!((spans[0].0, spans[39].1), (1, 820));
        assert!(spans.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    }

    async fn usage_adds_up(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let counts = (0..30_u64).map(|turn| {
            let store = store.clone();
            let model = if turn % 2 == 0 { "even" } else { "odd" };
            async move { unit!(store, [] tx => lease::add_usage(tx, &lease, model, &tokens(turn, 2)).await).expect("counted") }
        });
        futures_util::future::join_all(counts).await;
        let mut conn = reading(&store).await;
        let run = lease::run_of(&mut conn, &lease).await.expect("a read").expect("the run");
        assert_eq!((run.usage.input_tokens.as_u64(), run.usage.output_tokens.as_u64()), (435, 60));
        let models = run::models(&mut conn, &desk.viewer, &[lease.run_id()]).await.expect("a read");
        assert_eq!(models.iter().map(|usage| usage.model.as_str()).collect::<Vec<_>>(), ["even", "odd"]);
        let sum = models.iter().fold(TokenUsage::default(), |sum, model| sum.plus(&model.usage));
        assert_eq!(sum, run.usage);
    }

    async fn an_end_keeps_its_answer_and_its_failure(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let failure = RunFailure { code: "OUT_OF_TURNS".into(), message: "nul \0 \"quoted\" 🚀".into(), retryable: true };
        let at = clock::now();
        let ending = Ending {
            answer: Some("half \"an\" answer 🚀".into()), failure: Some(failure.clone()), at, ..ending(RunStatus::Failed)
        };
        let last = unit!(store, [ending] tx => lease::end(tx, &lease, &ending).await).expect("an answer");
        assert_eq!(last, Some(1));
        let run = run::get(&mut reading(&store).await, &desk.viewer, lease.run_id()).await.expect("a read").expect("the run");
        assert_eq!((run.status, run.answer, run.failure), (RunStatus::Failed, ending.answer, Some(failure)));
        assert_eq!(run.completed_at, Some(at));
    }

    async fn an_answer_with_a_nul_ends_its_run_all_the_same(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let ending = Ending { answer: Some("a\0b".into()), ..ending(RunStatus::Completed) };
        unit!(store, [ending] tx => lease::end(tx, &lease, &ending).await).expect("an answer").expect("the lease is held");
        let run = run::get(&mut reading(&store).await, &desk.viewer, lease.run_id()).await.expect("a read").expect("the run");
        assert_eq!(run.answer.as_deref(), Some("a\u{fffd}b"));
    }

    async fn a_queued_run_is_ended_or_claimed_never_both(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        for _ in 0..20 {
            let queued = desk.queue(&store).await;
            let (owner, id) = (desk.viewer.user_id(), queued.id);
            let ending = ending(RunStatus::Cancelled);
            let stop = async { unit!(store, [ending] tx => lease::end_queued(tx, owner, id, &ending).await).expect("an answer") };
            let (claimed, stopped) = tokio::join!(claim(&store, "worker"), stop);
            assert_ne!(claimed.is_some(), stopped.is_some());
            if let Some(lease) = claimed {
                end(&store, &lease, RunStatus::Completed).await.expect("the run ends");
            }
        }
    }

    async fn a_cancellation_is_written_down_once_and_seen(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let (owner, id) = (desk.viewer.user_id(), lease.run_id());
        assert!(lease::to_stop(&mut reading(&store).await, &Sweep::new()).await.expect("a read").is_empty());
        let first = clock::now();
        for (by, at) in [(CancelledBy::User, first), (CancelledBy::NewerRun, clock::now())] {
            assert!(unit!(store, [] tx => lease::request_cancel(tx, owner, id, by, at).await).expect("an answer"));
        }
        assert_eq!(lease::to_stop(&mut reading(&store).await, &Sweep::new()).await.expect("a read"), [id]);
        let run = lease::run_of(&mut reading(&store).await, &lease).await.expect("a read").expect("the run");
        assert_eq!((run.cancel_requested_at, run.cancel_requested_by), (Some(first), Some(CancelledBy::User)));
        end(&store, &lease, RunStatus::Cancelled).await.expect("the run ends");
        assert!(lease::to_stop(&mut reading(&store).await, &Sweep::new()).await.expect("a read").is_empty());
        let late = unit!(store, [] tx => lease::request_cancel(tx, owner, id, CancelledBy::User, clock::now()).await);
        assert!(!late.expect("an answer"), "what has ended is not stopped");
    }

    async fn an_ended_run_cannot_be_changed(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let ended = desk.finish(&store).await;
        let fixed = [
            "id", "project_id", "user_id", "session_id", "number", "prompt", "agent", "model", "status", "answer", "failure",
            "cancel_requested_at", "cancel_requested_by", "created_at", "started_at", "completed_at", "rerun_of",
            "last_sequence", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "chain_from",
            "chain_head",
        ];
        for column in fixed {
            let statement: &'static str = format!("update run set {column} = {column} where id = $1").leak();
            assert!(change(&store, statement, vec![ended.id.0]).await.is_err(), "{column} of an ended run");
        }
        assert!(change(&store, "delete from run where id = $1", vec![ended.id.0]).await.is_err());
        let lease = RunLease::granted(ended.user_id, ended.project_id, ended.id, 1);
        assert_eq!(advance(&store, lease, 1).await, None);
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![desk.project.id.0]).await.expect("the project is being deleted");
        change(&store, "delete from run_event where run_id = $1", vec![ended.id.0]).await.expect("its event may go now");
        assert_eq!(change(&store, "delete from run where id = $1", vec![ended.id.0]).await.expect("it may go now"), 1);
    }

    async fn turns_are_kept_in_order(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let hostile = format!("{{\"nul\":\"\\u0000\",\"big\":\"{}🚀\"}}", "x".repeat(100_000));
        for (number, body) in [(2, "{}".to_owned()), (1, hostile.clone()), (10, "[]".to_owned())] {
            let turn = Turn { index: number, version: 1, record: body };
            unit!(store, [turn] tx => turn::insert(tx, &lease, &turn).await).expect("a turn");
        }
        let turns = turn::all(&mut reading(&store).await, &lease).await.expect("a read");
        assert_eq!(turns, [(1, hostile), (1, "{}".to_owned()), (1, "[]".to_owned())]);
        let again = Turn { index: 1, version: 1, record: "{}".into() };
        assert!(unit!(store, [again] tx => turn::insert(tx, &lease, &again).await).is_err(), "a turn is taken once");
    }

    async fn a_claim_has_nothing_to_do_where_nothing_is_queued(store: Store) {
        assert_eq!(claim(&store, "worker").await, None);
        assert!(lease::watch(&mut reading(&store).await, &Sweep::new()).await.expect("a read").is_empty());
    }
}
