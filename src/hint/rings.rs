//! Rings on their way from one process to others.
//!
//! In writing they are the name of the process that rings and then what it rings for, a word each: ids and nothing else. Whoever
//! does not understand a word passes over it: a newer version may say more, and anybody may notify anything.

use std::{borrow::Cow, collections::HashSet};

use super::Topic;

/// Topics that are kept one by one. Beyond that it is all of them.
const MOST: usize = 10_000;

const QUEUE: &str = "queue";
const CANCELLATIONS: &str = "cancellations";
const DELETIONS: &str = "deletions";
const CHANGES: &str = "changes";
const EVERYTHING: &str = "everything";

/// What to ring for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// These topics, or none.
    These(HashSet<Topic>),
    /// All topics that there are.
    Everything,
}

impl Default for Rings {
    fn default() -> Self {
        Self::These(HashSet::new())
    }
}

impl Rings {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::These(topics) if topics.is_empty())
    }

    /// Adds a topic; a second time counts as one.
    pub(super) fn add(&mut self, topic: Topic) {
        let Self::These(topics) = self else { return };
        topics.insert(topic);
        if topics.len() > MOST {
            *self = Self::Everything;
        }
    }

    /// Adds others.
    pub(super) fn add_all(&mut self, others: Self) {
        match others {
            Self::These(topics) => topics.into_iter().for_each(|topic| self.add(topic)),
            Self::Everything => *self = Self::Everything,
        }
    }

    /// Writes them down for other processes, in as many texts of so many bytes as it takes, and in one if there are none.
    pub(super) fn written(&self, by: &str, most_bytes: usize) -> Vec<String> {
        let words: Vec<Cow<str>> = match self {
            Self::These(topics) => topics.iter().map(|topic| word(*topic)).collect(),
            Self::Everything => vec![EVERYTHING.into()],
        };
        let mut texts = vec![by.to_owned()];
        for word in words {
            let has_room = texts.last().is_some_and(|text| text.len() + 1 + word.len() <= most_bytes);
            if !has_room {
                texts.push(by.to_owned());
            }
            if let Some(text) = texts.last_mut() {
                text.push(' ');
                text.push_str(&word);
            }
        }
        texts
    }

    /// Reads what a process has written; what `me` has written was rung for here already.
    pub(super) fn read(text: &str, me: &str) -> Self {
        let mut words = text.split(' ');
        let mut rings = Self::default();
        if words.next() == Some(me) {
            return rings;
        }
        for word in words {
            match word {
                EVERYTHING => rings = Self::Everything,
                QUEUE => rings.add(Topic::Queue),
                CANCELLATIONS => rings.add(Topic::Cancellations),
                DELETIONS => rings.add(Topic::Deletions),
                CHANGES => rings.add(Topic::Changes),
                id => id.parse().into_iter().for_each(|run| rings.add(Topic::Run(run))),
            }
        }
        rings
    }
}

fn word(topic: Topic) -> Cow<'static, str> {
    match topic {
        Topic::Run(id) => id.to_string().into(),
        Topic::Queue => QUEUE.into(),
        Topic::Cancellations => CANCELLATIONS.into(),
        Topic::Deletions => DELETIONS.into(),
        Topic::Changes => CHANGES.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RunId;

    fn of(topics: &[Topic]) -> Rings {
        Rings::These(topics.iter().copied().collect())
    }

    #[test]
    fn what_one_writes_the_other_reads_and_the_writer_does_not() {
        let topics = [Topic::Run(RunId::new()), Topic::Queue, Topic::Cancellations, Topic::Deletions, Topic::Changes];
        for rings in [of(&topics), Rings::Everything, Rings::default()] {
            let texts = rings.written("one", 7_900);
            assert_eq!(texts.len(), 1);
            assert_eq!(Rings::read(&texts[0], "other"), rings);
            assert!(Rings::read(&texts[0], "one").is_empty());
        }
    }

    #[test]
    fn many_are_written_in_texts_that_are_short_enough() {
        let topics: Vec<Topic> = (0..1_000).map(|_| Topic::Run(RunId::new())).collect();
        let texts = of(&topics).written("one", 7_900);
        assert_eq!(texts.len(), 4);
        assert!(texts.iter().all(|text| text.len() <= 7_900), "{:?}", texts.iter().map(String::len));
        let mut read = Rings::default();
        for text in &texts {
            read.add_all(Rings::read(text, "other"));
        }
        assert_eq!(read, of(&topics));
    }

    #[test]
    fn too_many_are_all() {
        let mut rings = Rings::default();
        for _ in 0..=MOST {
            rings.add(Topic::Run(RunId::new()));
        }
        assert_eq!(rings, Rings::Everything);
        rings.add(Topic::Queue);
        rings.add_all(of(&[Topic::Queue]));
        assert_eq!(rings, Rings::Everything);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let run = RunId::new();
        let text = format!("other  soon queue \u{feff}\n proj_01h455vb4pex5vsknk084sn02q run_ run_01h4 {run} 'quoted'");
        assert_eq!(Rings::read(&text, "one"), of(&[Topic::Queue, Topic::Run(run)]));
        for nothing in ["", " ", "one", "\t", "drop table run", "🔔"] {
            assert!(Rings::read(nothing, "one").is_empty(), "{nothing:?}");
        }
    }
}
