//! What a prompt asks for: its words, and what an earlier prompt lends it.

use std::collections::HashSet;

use super::{
    terms::{Terms, Word},
    thread::{Exchange, Thread},
};

/// Distinct words of a prompt that count. Whoever pastes a whole book gets its first words looked up.
const MOST_WORDS: usize = 256;
/// A prompt with fewer words of its own than this leans on the ones before it.
const FEW_WORDS: usize = 3;
/// How far back a prompt leans, in exchanges.
const MOST_EARLIER: usize = 3;
/// What a word weighs less with each exchange that it comes from further back.
const FADING: f32 = 0.5;
/// The advantage of passages in files that the last answer quoted, when a prompt leans on it.
const QUOTED_BEFORE: f32 = 1.2;
/// The advantage of passages in files whose name shares a word with the prompt.
const NAMED_ALIKE: f32 = 1.25;
/// Words that say what to do, not what about. They are passed over, in prompts only, unless there is nothing else.
const INSTRUCTING: [&str; 24] = [
    "answer",
    "describe",
    "document",
    "documents",
    "explain",
    "file",
    "files",
    "find",
    "give",
    "know",
    "list",
    "look",
    "many",
    "much",
    "please",
    "question",
    "quote",
    "say",
    "says",
    "show",
    "summarise",
    "summarize",
    "summary",
    "tell",
];
/// Words that ask for what this model cannot do.
const SUMMARISING: [&str; 4] = ["overview", "summarise", "summarize", "summary"];
/// Bytes of a prompt that are searched for file names.
const MOST_NAMING: usize = 16 * 1024;

/// A prompt, ready to be looked up.
pub(super) struct Question<'a> {
    /// The words that carry meaning, distinct, in the order of the prompt.
    pub words: Vec<Word>,
    /// What passages are compared by.
    pub weighted: Vec<Weighted>,
    /// The prompt wants a summary.
    pub asks_for_summary: bool,
    /// Cuts the documents the way the prompt was cut.
    pub terms: Terms,
    /// The prompt in small letters, where file names are looked for.
    naming: String,
    /// The answer before a follow-up; empty where the prompt stands on its own.
    quoted_in: &'a str,
}

/// A term and how much it counts.
pub(super) struct Weighted {
    pub term: String,
    pub weight: f32,
    /// From this prompt, not from an earlier one.
    pub own: bool,
}

impl<'a> Question<'a> {
    pub fn of(thread: &Thread<'a>) -> Self {
        let terms = Terms::new();
        let words = distinct(&terms, thread.prompt);
        let mut weighted: Vec<Weighted> =
            words.iter().map(|word| Weighted { term: word.term.clone(), weight: 1.0, own: true }).collect();
        let leans = words.len() < FEW_WORDS;
        if leans {
            lend(&mut weighted, &terms, &thread.earlier);
        }
        let quoted_in = thread.earlier.last().filter(|_| leans).map_or("", |exchange| exchange.answer);
        let naming = clip(thread.prompt, MOST_NAMING).to_lowercase();
        let asks_for_summary = SUMMARISING.iter().any(|word| contains_name(&naming, word));
        Self { words, weighted, asks_for_summary, terms, naming, quoted_in }
    }

    /// Whether the prompt names this file, by its path or by its name with the ending.
    pub fn names(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let name = file_name(&path);
        contains_name(&self.naming, &path) || (name.contains('.') && contains_name(&self.naming, name))
    }

    /// Whether the answer before a follow-up quoted this file.
    pub fn follows(&self, path: &str) -> bool {
        self.quoted_in.contains(&format!("`{path}:"))
    }

    /// The factor on the score of passages in this file; 1 means neither better nor worse.
    pub fn favour(&self, path: &str) -> f32 {
        let stem = file_name(path).rsplit_once('.').map_or(path, |(stem, _)| stem);
        let alike = self.terms.of(stem).iter().any(|part| self.words.iter().any(|word| word.term == *part));
        let quoted = if self.follows(path) { QUOTED_BEFORE } else { 1.0 };
        if alike { quoted * NAMED_ALIKE } else { quoted }
    }
}

/// Adds the words of earlier prompts, until one stands on its own.
fn lend(weighted: &mut Vec<Weighted>, terms: &Terms, earlier: &[Exchange<'_>]) {
    let mut weight = 1.0;
    for exchange in earlier.iter().rev().take(MOST_EARLIER) {
        weight *= FADING;
        let lent = distinct(terms, exchange.prompt);
        let stands_alone = lent.len() >= FEW_WORDS;
        for word in lent {
            if weighted.iter().all(|known| known.term != word.term) {
                weighted.push(Weighted { term: word.term, weight, own: false });
            }
        }
        if stands_alone {
            break;
        }
    }
}

fn distinct(terms: &Terms, prompt: &str) -> Vec<Word> {
    let mut seen = HashSet::new();
    let mut words = terms.words(prompt);
    words.retain(|word| seen.insert(word.term.clone()));
    let instructs = |word: &Word| INSTRUCTING.contains(&word.surface.as_str());
    if !words.iter().all(instructs) {
        words.retain(|word| !instructs(word));
    }
    words.truncate(MOST_WORDS);
    words
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether the name stands in the text by itself, not as a part of a longer one.
fn contains_name(text: &str, name: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            !before.is_some_and(joins) && !after.is_some_and(joins)
        })
}

/// The longest beginning of a text within so many bytes that ends between two characters.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::model::Message;

    fn user(text: &str) -> Message {
        Message::User { text: text.to_owned(), files: Vec::new() }
    }

    fn with_question<T>(messages: &[Message], check: impl FnOnce(&Question<'_>) -> T) -> T {
        let thread = Thread::of(messages).expect("there is a prompt");
        check(&Question::of(&thread))
    }

    #[test]
    fn a_short_prompt_leans_on_the_one_before_and_a_long_one_does_not() {
        let before = [
            user("What is the liability cap?"),
            Message::Assistant { text: "1. `contract.md:12`".into(), calls: Vec::new() },
        ];
        let short = [before.as_slice(), &[user("and who signs it?")]].concat();
        with_question(&short, |question| {
            let lent: Vec<&str> = question.weighted.iter().filter(|w| !w.own).map(|w| w.term.as_str()).collect();
            assert_eq!(lent, ["liabil", "cap"]);
            assert!(question.follows("contract.md"));
        });
        let long = [before.as_slice(), &[user("Which hotel rate applies in Bristol?")]].concat();
        with_question(&long, |question| {
            assert!(question.weighted.iter().all(|w| w.own));
            assert!(!question.follows("contract.md"));
        });
    }

    #[test]
    fn words_that_only_instruct_are_passed_over() {
        let surfaces = |prompt: &str| -> Vec<String> {
            with_question(&[user(prompt)], |question| question.words.iter().map(|word| word.surface.clone()).collect())
        };
        assert_eq!(surfaces("Please describe the liability cap"), ["liability", "cap"]);
        assert_eq!(surfaces("Show the summary"), ["show", "summary"]);
    }

    #[test]
    fn files_are_named_by_path_or_by_whole_name() {
        let messages = [user("Compare Contract.md with legal/terms.txt, please.")];
        with_question(&messages, |question| {
            assert!(question.names("2026/contract.md"));
            assert!(question.names("legal/terms.txt"));
            assert!(!question.names("ract.md"));
            assert!(!question.names("terms"));
        });
    }
}
