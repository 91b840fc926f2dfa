//! Passages ranked against a question by BM25.
//!
//! The tokenizer is that of the `bm25` crate; the scoring is our own, for three reasons. The words of a prompt and those
//! that an earlier prompt lends weigh differently; headings and column names count for a passage without making it
//! longer; and the time is bounded by the length of the text plus that of the question, where the crate's scorer
//! multiplies the two. Equal scores keep the order of the documents, so that the same conversation always gives the same
//! answer.

use std::collections::HashMap;

use super::{passage::Passage, question::Question};

/// How fast repeating a word stops to count.
const SATURATION: f32 = 1.2;
/// How much a long passage is held back, from 0 (not) to 1. Low, because rows of a table stand beside paragraphs.
const LENGTH_PENALTY: f32 = 0.4;
/// What a word in a heading counts, next to one in the text.
const IN_CONTEXT: f32 = 0.5;
/// The part of a score that is kept by a passage however little of the question it covers.
const UNCOVERED: f32 = 0.5;

/// A passage that shares words with the question.
pub(super) struct Hit<'p, 'a> {
    pub passage: &'p Passage<'a>,
    /// Comparable within one ranking only.
    pub score: f32,
}

/// The passages ranked, and which of the question's terms stand in any of them.
pub(super) struct Ranking<'p, 'a> {
    /// Best first; only passages that hold a word of the prompt itself.
    pub hits: Vec<Hit<'p, 'a>>,
    /// Per term of the question, in how many passages it stands.
    pub found_in: Vec<usize>,
}

/// The question's terms in one passage: which, and how often by weight.
struct Counted {
    counts: Vec<(usize, f32)>,
    length: usize,
}

/// Ranks all passages.
pub(super) fn rank<'p, 'a>(question: &Question<'_>, passages: &'p [Passage<'a>]) -> Ranking<'p, 'a> {
    let places: HashMap<&str, usize> =
        question.weighted.iter().enumerate().map(|(place, weighted)| (weighted.term.as_str(), place)).collect();
    let counted = count(question, &places, passages);
    let mut found_in = vec![0_usize; question.weighted.len()];
    for (place, _) in counted.iter().flat_map(|passage| &passage.counts) {
        found_in[*place] += 1;
    }
    let total: usize = counted.iter().map(|passage| passage.length).sum();
    let average = (as_f32(total) / as_f32(passages.len().max(1))).max(1.0);
    let rarity: Vec<f32> = found_in.iter().map(|found| rarity(*found, passages.len())).collect();
    let wanted: f32 = question.weighted.iter().zip(&rarity).map(|(weighted, rarity)| weighted.weight * rarity).sum();

    let mut favours: HashMap<&str, f32> = HashMap::new();
    let mut hits = Vec::new();
    for (passage, Counted { counts, length }) in passages.iter().zip(&counted) {
        if !counts.iter().any(|(place, _)| question.weighted[*place].own || question.words.is_empty()) {
            continue;
        }
        let stretch = SATURATION * (1.0 - LENGTH_PENALTY + LENGTH_PENALTY * as_f32(*length) / average);
        let (mut score, mut covered) = (0.0, 0.0);
        for (place, count) in counts {
            let worth = question.weighted[*place].weight * rarity[*place];
            score += worth * count * (SATURATION + 1.0) / (count + stretch);
            covered += worth;
        }
        let coverage = UNCOVERED + (1.0 - UNCOVERED) * covered / wanted;
        let favour = *favours.entry(passage.path).or_insert_with(|| question.favour(passage.path));
        hits.push(Hit { passage, score: score * coverage * favour });
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ranking { hits, found_in }
}

fn count(question: &Question<'_>, places: &HashMap<&str, usize>, passages: &[Passage<'_>]) -> Vec<Counted> {
    // Neighbours mostly stand under the same headings.
    let mut context: (&[&str], Vec<usize>) = (&[], Vec::new());
    let mut all = Vec::with_capacity(passages.len());
    for passage in passages {
        if passage.context.as_slice() != context.0 {
            let terms = passage.context.iter().flat_map(|text| question.terms.of(text));
            context = (&passage.context, terms.filter_map(|term| places.get(term.as_str()).copied()).collect());
        }
        let terms = question.terms.of(passage.text);
        let in_text = terms.iter().filter_map(|term| places.get(term.as_str())).map(|place| (*place, 1.0));
        let in_context = context.1.iter().map(|place| (*place, IN_CONTEXT));
        let mut counts: Vec<(usize, f32)> = Vec::new();
        for (place, count) in in_text.chain(in_context) {
            match counts.iter_mut().find(|(known, _)| *known == place) {
                Some((_, sum)) => *sum += count,
                None => counts.push((place, count)),
            }
        }
        counts.sort_by_key(|(place, _)| *place);
        all.push(Counted { counts, length: terms.len() });
    }
    all
}

/// How much a word tells that stands in so many of all passages.
fn rarity(found: usize, all: usize) -> f32 {
    let (found, all) = (as_f32(found), as_f32(all));
    (1.0 + (all - found + 0.5) / (found + 0.5)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and passages, far below 2^24 where it would show")]
fn as_f32(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::model::{Message, extractive::thread::Thread};

    /// The lines of the passages that are hit, best first; each passage is a text and its context.
    fn ranked(prompt: &str, passages: &[(&str, &str)]) -> Vec<usize> {
        let passages: Vec<Passage<'_>> = passages
            .iter()
            .enumerate()
            .map(|(line, (text, context))| Passage {
                path: "a.txt",
                first_line: line,
                last_line: line,
                text,
                context: vec![context],
            })
            .collect();
        let messages = [Message::User { text: prompt.into(), files: Vec::new() }];
        let thread = Thread::of(&messages).expect("there is a prompt");
        rank(&Question::of(&thread), &passages).hits.iter().map(|hit| hit.passage.first_line).collect()
    }

    #[test]
    fn a_rare_word_counts_for_more_than_a_common_one() {
        let passages = [("the fee here", ""), ("the fee there", ""), ("a fee again", ""), ("a mooring here", "")];
        assert_eq!(ranked("mooring fee", &passages), [3, 0, 1, 2]);
    }

    #[test]
    fn context_helps_but_less_than_the_text() {
        let passages = [("forty crowns", "Berths"), ("forty crowns", "Mooring"), ("mooring crowns", "Berths")];
        assert_eq!(ranked("mooring", &passages), [2, 1]);
    }

    #[test]
    fn a_short_passage_goes_before_a_long_one_and_equals_keep_their_order() {
        let long = format!("mooring {}", "water ".repeat(80));
        assert_eq!(ranked("mooring", &[(&long, ""), ("mooring here", ""), ("mooring there", "")]), [1, 2, 0]);
    }
}
