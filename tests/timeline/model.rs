//! A small model of how a timeline gets from those who append to those who follow, and every order in which its steps can be
//! taken. The steps are those of `timeline::tail` and `timeline::follow`: between two of them anybody else may come.
//!
//! There is no slow look in the model: bells alone have to be enough. Faults are built in on purpose, to show that the search
//! would find them.

use std::collections::HashSet;

/// Events of the run; the last one ends it.
const EVENTS: u8 = 3;
/// Events that the ring holds.
const RING: u8 = 1;
/// Events that are read at once.
const READ: u8 = 2;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Whoever appends rings before the commit.
    RingsBeforeTheCommit,
    /// The tail looks before it listens.
    LooksBeforeItListens,
    /// A follower notes which changes it has seen when it has already looked.
    NotesAfterTheLook,
    /// The ring hands out what it has, even if something before that is missing.
    SkipsWhatIsMissing,
}

/// Where somebody starts to follow.
#[derive(Clone, Copy)]
enum From {
    /// After this event, once it is there.
    After(u8),
    /// After the last event that is there.
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tail {
    Absent,
    Starts,
    Looks,
    FoundNothing,
    /// It has read up to here.
    Read(u8),
    /// It has put what it read into the ring.
    Pushed(u8),
    Waits,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Outside,
    /// It has seen the run, whose last event was this.
    Sees(u8),
    /// It is about to look, and knows whether the head that it has noted ends the run.
    Looks(bool),
    /// It was behind the ring.
    Behind,
    Loops,
    Waits,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Follower {
    step: Step,
    /// Told up to here.
    at: u8,
    /// How many changes of the head it has noted.
    noted: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    committed: u8,
    /// The bell is still to be rung for what was committed.
    to_ring: bool,
    /// Whether the bell has rung since the tail last heard it; `None` as long as nobody listens.
    bell: Option<bool>,
    tail: Tail,
    /// The first and the last event in the ring.
    ring: Option<(u8, u8)>,
    head: u8,
    /// How often the head changed.
    changes: u8,
    followers: [Follower; 2],
}

struct Model {
    fault: Fault,
    from: [From; 2],
}

impl Model {
    /// All states that can follow a state, or what goes wrong in a step.
    fn steps(&self, state: &State) -> Result<Vec<State>, String> {
        let mut next = Vec::new();
        next.extend(self.append(state));
        next.extend(self.tail(state));
        for number in 0..state.followers.len() {
            next.extend(self.follow(state, number)?);
        }
        Ok(next)
    }

    fn append(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        let ring_first = self.fault == Fault::RingsBeforeTheCommit;
        if state.to_ring == ring_first && state.committed < EVENTS {
            next.committed += 1;
            next.to_ring = !ring_first;
        } else if state.to_ring || (ring_first && state.committed < EVENTS) {
            next.bell = state.bell.map(|_| true);
            next.to_ring = ring_first;
        } else {
            return None;
        }
        Some(next)
    }

    fn tail(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        let listens_late = self.fault == Fault::LooksBeforeItListens;
        match state.tail {
            Tail::Starts => {
                next.bell = (!listens_late).then_some(false);
                next.tail = Tail::Looks;
            }
            Tail::Looks if state.committed > state.head => {
                next.tail = Tail::Read(state.committed.min(state.head + READ));
            }
            Tail::Looks if state.head == EVENTS => next.tail = Tail::Done,
            Tail::Looks => next.tail = Tail::FoundNothing,
            Tail::FoundNothing => {
                next.bell = state.bell.or(Some(false));
                next.tail = Tail::Waits;
            }
            Tail::Read(to) => {
                let first = state.ring.map_or(state.head + 1, |(first, _)| first);
                next.ring = Some((first.max((to + 1).saturating_sub(RING)), to));
                next.tail = Tail::Pushed(to);
            }
            Tail::Pushed(to) => {
                next.head = to;
                next.changes += 1;
                next.tail = Tail::Looks;
            }
            Tail::Waits if state.bell == Some(true) => {
                next.bell = Some(false);
                next.tail = Tail::Looks;
            }
            Tail::Absent | Tail::Waits | Tail::Done => return None,
        }
        Some(next)
    }

    fn follow(&self, state: &State, number: usize) -> Result<Option<State>, String> {
        let mut next = state.clone();
        let Follower { step, at, noted } = state.followers[number];
        let me = &mut next.followers[number];
        match step {
            Step::Outside => {
                me.at = match self.from[number] {
                    From::After(after) if after <= state.committed => after,
                    From::After(_) => return Ok(None),
                    From::Now => state.committed,
                };
                me.step = Step::Sees(state.committed);
            }
            Step::Sees(last) => {
                me.step = Step::Loops;
                if state.tail == Tail::Absent {
                    next.head = last;
                    next.tail = if last == EVENTS { Tail::Done } else { Tail::Starts };
                }
                next.followers[number].noted = next.changes;
            }
            Step::Loops => {
                me.noted = if self.fault == Fault::NotesAfterTheLook { noted } else { state.changes };
                me.step = Step::Looks(state.head == EVENTS);
            }
            Step::Looks(_) if at < state.head => match self.taken(state.ring, at) {
                Some((first, last)) => {
                    if first != at + 1 {
                        return Err(format!("told of {first} after {at}"));
                    }
                    *me = Follower { step: Step::Loops, at: last, noted: me.noted };
                }
                None => me.step = Step::Behind,
            },
            Step::Looks(true) => me.step = Step::Done,
            Step::Looks(false) => {
                if self.fault == Fault::NotesAfterTheLook {
                    me.noted = state.changes;
                }
                me.step = Step::Waits;
            }
            Step::Behind => {
                let last = state.committed.min(at + READ);
                *me = Follower { step: Step::Loops, at: last, noted };
            }
            Step::Waits if noted != state.changes => me.step = Step::Loops,
            Step::Waits | Step::Done => return Ok(None),
        }
        Ok(Some(next))
    }

    /// What the ring has after an event.
    fn taken(&self, ring: Option<(u8, u8)>, at: u8) -> Option<(u8, u8)> {
        let (first, last) = ring.filter(|(_, last)| at < *last)?;
        (first <= at + 1 || self.fault == Fault::SkipsWhatIsMissing).then_some((first.max(at + 1), last))
    }

    /// Goes through every order of steps; answers with the number of states, or with what goes wrong.
    fn search(&self) -> Result<usize, String> {
        let outside = Follower { step: Step::Outside, at: 0, noted: 0 };
        let start = State {
            committed: 1,
            to_ring: false,
            bell: None,
            tail: Tail::Absent,
            ring: None,
            head: 0,
            changes: 0,
            followers: [outside; 2],
        };
        let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
        while let Some(state) = open.pop() {
            let next = self.steps(&state)?;
            if next.is_empty() && state.followers.iter().any(|one| one.step != Step::Done || one.at != EVENTS) {
                return Err(format!("nothing goes on: {state:?}"));
            }
            for state in next {
                if seen.insert(state.clone()) {
                    open.push(state);
                }
            }
        }
        Ok(seen.len())
    }
}

/// What comes of a fault, over all places to start from.
fn searched(fault: Fault) -> Result<usize, String> {
    let places = [From::After(0), From::After(2), From::After(EVENTS), From::Now];
    let mut states = 0;
    for (index, one) in places.into_iter().enumerate() {
        for other in places.into_iter().skip(index) {
            states += Model { fault, from: [one, other] }.search()?;
        }
    }
    Ok(states)
}

#[test]
fn in_whatever_order_steps_are_taken_every_follower_is_told_everything_once() {
    let states = searched(Fault::None).expect("nothing goes wrong");
    assert!(states > 10_000, "{states} states are no search");
}

#[test]
fn a_step_in_the_wrong_place_is_found() {
    for fault in [Fault::RingsBeforeTheCommit, Fault::LooksBeforeItListens, Fault::NotesAfterTheLook] {
        let found = searched(fault).expect_err("somebody waits for ever");
        assert!(found.contains("nothing goes on"), "{fault:?}: {found}");
    }
    let found = searched(Fault::SkipsWhatIsMissing).expect_err("somebody is told too little");
    assert!(found.contains("told of"), "{found}");
}
