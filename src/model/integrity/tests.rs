//! Each change that somebody could make is found, and nothing is where nobody made one.

use super::{super::chain::Hash, IntegrityFindingKind::*, *};
use crate::{
    clock,
    model::{
        event::{AgentMessage, RunCompleted, RunStarted},
        id::{ProjectId, RunId, SessionId, UserId},
        run::{RunStatus, TokenUsage},
    },
};

/// A timeline as it is stored.
#[derive(Clone)]
struct Stored {
    sealed: SealedRun,
    events: Vec<StoredEvent>,
}

/// Of so many events, of which those before `from` are not sealed; the last one ends the run.
fn stored(count: i64, from: Option<i64>) -> Stored {
    let now = clock::now();
    let run = Run {
        id: RunId::new(),
        number: UInt53::from(1_u64),
        project_id: ProjectId::new(),
        user_id: UserId::new(),
        session_id: SessionId::new(),
        prompt: "What?".into(),
        answer: Some("42".into()),
        agent: "a".into(),
        model: "m".into(),
        status: RunStatus::Completed,
        failure: None,
        cancel_requested_at: None,
        cancel_requested_by: None,
        created_at: now,
        started_at: Some(now),
        completed_at: Some(now),
        rerun_of: None,
        last_sequence: UInt53::from(count.unsigned_abs()),
        usage: TokenUsage::default(),
    };
    let mut chain = from.map(|from| Chain::start(run.id, from));
    let events = (1..=count).map(|sequence| {
        let body: EventBody = match sequence {
            1 => RunQueued { agent: "a".into(), model: "m".into(), request_sha256: Some(run.request_sha256()) }.into(),
            last if last == count => RunCompleted { answer: "42".into() }.into(),
            2 => RunStarted { worker: "w".into() }.into(),
            other => AgentMessage { text: format!("text {other}"), is_final: false }.into(),
        };
        let (at, kind, text) = (now.timestamp_micros(), body.kind().name(), body.encode().unwrap());
        let mut event = StoredEvent { sequence, at, kind: kind.into(), body: text, salt: None, hash: None };
        if let Some(chain) = chain.as_mut().filter(|chain| chain.last + 1 == sequence) {
            let salt = [u8::try_from(sequence).unwrap(); 16];
            event.hash = Some(chain.push(at, kind, &content(&salt, &event.body)).to_vec());
            event.salt = Some(salt.to_vec());
        }
        event
    });
    let events = events.collect();
    let head = chain.map(|chain| chain.head.to_vec());
    Stored { sealed: SealedRun { run, chain_from: from, chain_head: head }, events }
}

fn checked(stored: &Stored) -> RunIntegrity {
    let mut check = Check::new(stored.sealed.clone());
    let last = stored.sealed.run.last_sequence.get();
    let mut events = stored.events.clone();
    events.sort_by_key(|event| event.sequence);
    for event in events.iter().filter(|event| event.sequence <= last) {
        check.event(event);
    }
    check.end();
    if let Some(beyond) = events.last().filter(|event| event.sequence > last) {
        check.beyond(beyond.sequence, last);
    }
    check.outcome(0, true)
}

/// What a change is found as: the first broken sequence, and the kinds.
fn after(change: impl FnOnce(&mut Stored)) -> (Option<i64>, Vec<IntegrityFindingKind>) {
    let mut changed = stored(6, Some(1));
    change(&mut changed);
    let found = checked(&changed);
    assert_eq!(found.status, IntegrityStatus::Broken);
    let kinds = found.findings.iter().map(|finding| finding.kind).collect();
    (found.first_broken_sequence.map(UInt53::get), kinds)
}

#[test]
fn what_nobody_changed_is_right() {
    for count in [2, 3, 10] {
        let whole = stored(count, Some(1));
        let found = checked(&whole);
        assert_eq!((found.status, found.findings.as_slice()), (IntegrityStatus::Sealed, &[][..]));
        assert_eq!((found.events_checked.get(), found.sealed_from), (count, Some(UInt53::from(1_u64))));
        assert_eq!(found.head, whole.sealed.chain_head.map(hex::encode));
    }
    let before = checked(&stored(5, None));
    assert_eq!((before.status, before.sealed_from, before.head), (IntegrityStatus::Unsealed, None, None));
    for from in 2..=5 {
        assert_eq!(checked(&stored(5, Some(from))).status, IntegrityStatus::Sealed, "under way, sealed from {from}");
    }
}

#[test]
fn every_changed_byte_of_an_event_is_found_at_its_event() {
    let whole = stored(6, Some(1));
    for (index, sequence) in (0..6).zip(1..) {
        let mut changed: Vec<Stored> = Vec::new();
        let mut change = |change: &dyn Fn(&mut StoredEvent)| {
            let mut copy = whole.clone();
            change(&mut copy.events[index]);
            changed.push(copy);
        };
        for at in 0..whole.events[index].body.len() {
            change(&|event| {
                let letter = if event.body.as_bytes()[at] == b'x' { "y" } else { "x" };
                event.body.replace_range(at..=at, letter);
            });
        }
        for bit in 0..64 {
            change(&|event| event.at ^= 1 << bit);
        }
        for kind in ["", "Notice", "RunFailed"] {
            change(&|event| event.kind = kind.into());
        }
        for (at, bit) in (0..32).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            change(&|event| event.hash.as_mut().unwrap()[at] ^= 1 << bit);
            if at < 16 {
                change(&|event| event.salt.as_mut().unwrap()[at] ^= 1 << bit);
            }
        }
        change(&|event| event.hash = None);
        change(&|event| event.salt = None);
        change(&|event| (event.salt, event.hash) = (None, None));
        change(&|event| event.hash = Some(vec![]));
        change(&|event| event.body.push(' '));
        for copy in changed {
            let found = checked(&copy);
            assert_eq!(found.first_broken_sequence.map(UInt53::get), Some(sequence), "{:?}", copy.events[index]);
            let events = found.findings.iter().filter(|finding| finding.kind == EventChanged);
            assert_eq!(events.count(), 1, "only this one: {:?}", found.findings);
        }
    }
}

#[test]
fn what_is_swapped_removed_or_added_is_found() {
    assert_eq!(
        after(|it| {
            it.events.remove(3);
        }),
        (Some(4), vec![EventMissing])
    );
    assert_eq!(
        after(|it| {
            it.events.drain(2..4);
        }),
        (Some(3), vec![EventMissing])
    );
    assert_eq!(
        after(|it| {
            it.events.pop();
        }),
        (Some(6), vec![EventMissing, RunChanged])
    );
    assert_eq!(
        after(|it| {
            it.events.clear();
        }),
        (Some(1), vec![EventMissing, RunChanged])
    );
    // The last one is taken away, and the row says that there never was one.
    let shortened = |it: &mut Stored| {
        it.events.pop();
        it.sealed.run.last_sequence = UInt53::from(5_u64);
        it.sealed.run.status = RunStatus::Running;
    };
    assert_eq!(after(shortened), (None, vec![RunChanged]));
    let swapped = |it: &mut Stored| {
        it.events[2].sequence = 4;
        it.events[3].sequence = 3;
    };
    assert_eq!(after(swapped), (Some(3), vec![EventChanged; 3]));
    let swapped = |it: &mut Stored| {
        let body = std::mem::take(&mut it.events[2].body);
        it.events[2].body = std::mem::replace(&mut it.events[3].body, body);
    };
    assert_eq!(after(swapped), (Some(3), vec![EventChanged; 2]));
    let copied = |sequence| {
        move |it: &mut Stored| {
            let copy = StoredEvent { sequence, ..it.events[2].clone() };
            it.events.push(copy);
        }
    };
    assert_eq!(after(copied(7)), (Some(7), vec![EventUnexpected]));
    assert_eq!(after(copied(0)), (Some(0), vec![EventUnexpected]));
    // One that is sealed as it would have been, had it been recorded.
    let inserted = |it: &mut Stored| {
        let head = Hash::try_from(it.sealed.chain_head.as_deref().unwrap()).unwrap();
        let mut chain = Chain { from: 1, last: 6, head };
        let mut event = StoredEvent { sequence: 7, ..it.events[2].clone() };
        event.hash =
            Some(chain.push(event.at, &event.kind, &content(event.salt.as_ref().unwrap(), &event.body)).to_vec());
        it.events.push(event);
        it.sealed.run.last_sequence = UInt53::from(7_u64);
    };
    assert_eq!(after(inserted), (Some(7), vec![EventUnexpected, RunChanged]));
}

#[test]
fn a_timeline_of_another_run_does_not_fit() {
    let other = stored(6, Some(1));
    let moved = |it: &mut Stored| {
        it.events[2] = other.events[2].clone();
    };
    assert_eq!(after(moved), (Some(3), vec![EventChanged; 2]));
    let all = |it: &mut Stored| {
        it.events.clone_from(&other.events);
        it.sealed.chain_head.clone_from(&other.sealed.chain_head);
    };
    assert_eq!(after(all).0, Some(1));
}

#[test]
fn an_event_whose_seal_was_made_anew_is_told_by_the_one_after_it() {
    let forged = |index: usize| {
        move |it: &mut Stored| {
            let before = it.events[index - 1].hash.clone().unwrap();
            let event = &mut it.events[index];
            event.body = event.body.replace("text", "lies").replace("42", "43");
            let content = content(event.salt.as_ref().unwrap(), &event.body);
            event.hash = Some(link(&before, event.sequence, event.at, &event.kind, &content).to_vec());
        }
    };
    assert_eq!(after(forged(3)), (Some(5), vec![EventChanged]));
    assert_eq!(after(forged(5)), (None, vec![RunChanged; 2]), "the last one, by the run's own seal and answer");
}

#[test]
fn a_row_that_says_something_else_is_found() {
    type Change = fn(&mut SealedRun);
    let changes: [Change; 16] = [
        |it| it.run.status = RunStatus::Failed,
        |it| it.run.status = RunStatus::Running,
        |it| it.run.answer = Some("43".into()),
        |it| it.run.answer = None,
        |it| it.run.completed_at = None,
        |it| it.run.prompt.push('!'),
        |it| it.run.agent.push('!'),
        |it| it.run.model.push('!'),
        |it| it.run.number = UInt53::from(2_u64),
        |it| it.run.project_id = ProjectId::new(),
        |it| it.run.user_id = UserId::new(),
        |it| it.run.session_id = SessionId::new(),
        |it| it.run.created_at += chrono::Duration::microseconds(1),
        |it| it.run.rerun_of = Some(RunId::new()),
        |it| it.chain_head.as_mut().unwrap()[0] ^= 1,
        |it| it.chain_head = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (_, kinds) = after(|it| change(&mut it.sealed));
        assert!(kinds.contains(&RunChanged), "change {number}: {kinds:?}");
    }
    let unsealed = |it: &mut Stored| (it.sealed.chain_from, it.sealed.chain_head) = (None, None);
    assert_eq!(after(unsealed), (Some(1), vec![EventChanged; 6]), "its events are sealed all the same");
    for from in [2, 6, 7, 0] {
        assert_ne!(after(|it| it.sealed.chain_from = Some(from)).1, [], "from {from}");
    }
}

#[test]
fn what_contradicts_itself_is_found_without_a_seal() {
    let mut old = stored(5, None);
    old.events[2].body = "{".into();
    old.events.remove(3);
    old.sealed.run.answer = None;
    let found = checked(&old);
    let kinds: Vec<_> = found.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [EventChanged, EventMissing, RunChanged]);
}

#[test]
fn findings_are_counted_and_the_first_are_told() {
    let mut bad = stored(100, Some(1));
    for event in &mut bad.events {
        event.at += 1;
    }
    let found = checked(&bad);
    assert_eq!((found.findings.len(), found.finding_count.get()), (TOLD, 101));
    assert_eq!(found.first_broken_sequence.map(UInt53::get), Some(1));
}
