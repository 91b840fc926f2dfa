//! The chain of a run's events: each is sealed together with all before it.
//!
//! An event's body goes in as a digest of its own, over random bytes and the text as it is stored:
//!
//! ```text
//! c(n) = H("body", salt, body)
//! h(n) = H("event", h(n-1), sequence, at, kind, c(n))
//! ```
//!
//! So a body can be taken away later with the chain intact, by keeping `c(n)` in its place; without the salt nobody finds out
//! from that what a short body was. The chain begins with `H("start", run, from)`: a timeline cannot be given to another run,
//! and what was recorded before there was a chain cannot be passed off as sealed, nor the other way round.
//!
//! `H` is SHA-256 over parts, each with its length before it, so that no two lists of parts are the same bytes.
//!
//! There is no secret in it. Whoever can write to the database can compute a whole chain anew; whoever has kept the head elsewhere
//! sees that it is another one.

use sha2::{Digest, Sha256};

use super::id::RunId;

/// Random bytes beside a body.
pub type Salt = [u8; 16];
/// A value of the chain.
pub type Hash = [u8; 32];

/// The digest of some parts, each with its length before it.
pub fn digest(parts: &[&[u8]]) -> Hash {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// What stands for a body in the chain. The text is hashed as it is stored, never as it would be written today.
pub fn content(salt: &[u8], body: &str) -> Hash {
    digest(&[b"body", salt, body.as_bytes()])
}

/// The chain's value after an event, from its value before.
pub fn link(before: &[u8], sequence: i64, at: i64, kind: &str, content: &Hash) -> Hash {
    digest(&[b"event", before, &sequence.to_be_bytes(), &at.to_be_bytes(), kind.as_bytes(), content])
}

/// Where a run's chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The sequence of the first event in it.
    pub from: i64,
    /// The sequence of the last; one less than the first as long as there is none.
    pub last: i64,
    /// The value after the last.
    pub head: Hash,
}

impl Chain {
    /// A run's chain before its first event, which has the sequence `from`: 1, but for a run that was under way before there were
    /// chains.
    pub fn start(run: RunId, from: i64) -> Self {
        Self { from, last: from - 1, head: digest(&[b"start", run.0.as_bytes(), &from.to_be_bytes()]) }
    }

    /// Moves on over the next event; answers with the value after it.
    pub fn push(&mut self, at: i64, kind: &str, content: &Hash) -> Hash {
        self.last += 1;
        self.head = link(&self.head, self.last, at, kind, content);
        self.head
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Parts that run into each other in every way that a missing length would hide.
    #[test]
    fn parts_do_not_run_into_each_other() {
        let words = ["", "a", "b", "ab", "aa", "\0", "\u{0}a", "aba"];
        let mut seen = HashSet::new();
        let mut lists = 0;
        for one in words {
            for two in words {
                for three in words {
                    for list in [vec![one], vec![one, two], vec![one, two, three]] {
                        let parts: Vec<&[u8]> = list.iter().map(|word| word.as_bytes()).collect();
                        seen.insert(digest(&parts));
                        lists += usize::from(list.len() == 3);
                    }
                }
            }
        }
        assert_eq!(seen.len(), lists + words.len().pow(2) + words.len());
    }

    #[test]
    fn each_part_of_an_event_is_in_its_link() {
        let run = RunId::new();
        let before = Chain::start(run, 1).head;
        let body = content(&[7; 16], "{}");
        let mut values = HashSet::from([
            before,
            body,
            link(&before, 1, 2, "Notice", &body),
            link(&body, 1, 2, "Notice", &body),
            link(&before, 2, 2, "Notice", &body),
            link(&before, 1, 3, "Notice", &body),
            link(&before, 1, 2, "Notic", &body),
            link(&before, 1, 2, "Notice", &before),
            content(&[8; 16], "{}"),
            content(&[7; 16], "{ }"),
            content(&[7; 15], "\u{7}{}"),
        ]);
        assert_eq!(values.len(), 11);
        for other in [Chain::start(RunId::new(), 1), Chain::start(run, 2)] {
            assert!(values.insert(other.head), "a start is that of one run and one place");
        }
    }

    /// The values that are stored are read for ever, so the rule by which they were made does not change.
    #[test]
    fn the_chain_is_computed_as_it_always_was() {
        let run = RunId(uuid::Uuid::from_u128(1));
        let mut chain = Chain::start(run, 1);
        chain.push(1_700_000_000_000_000, "Notice", &content(&[1; 16], r#"{"level":"INFO","text":"a"}"#));
        chain.push(1_700_000_000_000_001, "Notice", &content(&[2; 16], ""));
        assert_eq!((chain.from, chain.last), (1, 2));
        insta::assert_snapshot!(hex::encode(chain.head), @"041aee27cb982b7dcbc5a82ae261e0f5b9d8bf2d73962c3b981d2d994d157892");
    }

    #[test]
    fn a_body_can_be_taken_away_with_the_chain_intact() {
        let mut chain = Chain::start(RunId::new(), 1);
        let secret = content(&[3; 16], r#"{"text":"4711"}"#);
        let before = chain.head;
        let kept = chain.push(5, "AgentMessage", &secret);
        let head = chain.push(6, "Notice", &content(&[4; 16], "{}"));
        // Of the body nothing is left but what stood for it, and all values are what they were.
        let redacted = link(&before, 1, 5, "AgentMessage", &secret);
        assert_eq!(redacted, kept);
        assert_eq!(link(&redacted, 2, 6, "Notice", &content(&[4; 16], "{}")), head);
        // It is not found by trying: the same body with another salt is another content.
        assert_ne!(content(&[0; 16], r#"{"text":"4711"}"#), secret);
    }
}
