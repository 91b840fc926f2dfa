//! Text to terms: what two texts must share to be called alike.
//!
//! Words are cut at the word boundaries of Unicode, written small, stripped of accents, freed of English stop words and
//! reduced to their stems. Scripts that put no spaces between words come out of the cutter character by character; there
//! each pair of neighbours is a term, the usual stand-in for a dictionary. Numbers lose their thousands separators and
//! empty decimals, so that `48,000.00` and `48000` are one term.

use bm25::{DefaultTokenizer, Language, Tokenizer};
use unicode_normalization::UnicodeNormalization;

/// Cuts text into terms. Costly to make and cheap to use: make one per turn.
pub(super) struct Terms {
    stems: DefaultTokenizer,
    surface: DefaultTokenizer,
}

/// A word of the prompt that carries meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// As it was written, but small and without accents.
    pub surface: String,
    /// What it is compared by.
    pub term: String,
}

impl Terms {
    pub fn new() -> Self {
        // Our own folding instead of the tokenizer's: that one spells Chinese in Latin letters, and some of the syllables
        // are English stop words.
        let builder = || DefaultTokenizer::builder().language_mode(Language::English).normalization(false);
        Self { stems: builder().build(), surface: builder().stemming(false).build() }
    }

    /// The terms of a text in its order, repeated as often as they stand there.
    pub fn of(&self, text: &str) -> Vec<String> {
        merge(self.stems.tokenize(&fold(text)))
    }

    /// The words of a text that carry meaning, in its order.
    pub fn words(&self, text: &str) -> Vec<Word> {
        merge(self.surface.tokenize(&fold(text)))
            .into_iter()
            .map(|surface| Word { term: self.stems.tokenize(&surface).concat(), surface })
            .map(|word| if word.term.is_empty() { Word { term: word.surface.clone(), ..word } } else { word })
            .collect()
    }
}

/// Compatibility forms and Latin accents removed; everything else composed again.
fn fold(text: &str) -> String {
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    // A curly apostrophe would make `party’s` another word than `party's`.
    let straight = |c: char| if c == '\u{2019}' { '\'' } else { c };
    text.nfkd().filter(|c| !is_accent(c)).map(straight).nfc().collect()
}

/// Joins single characters of unspaced scripts into pairs, and evens out numbers.
fn merge(tokens: Vec<String>) -> Vec<String> {
    let mut merged = Vec::with_capacity(tokens.len());
    let mut previous: Option<char> = None;
    let mut alone = false;
    for token in tokens {
        let Some(character) = lone_character(&token) else {
            flush(&mut merged, previous.take(), alone);
            merged.push(plain_number(token));
            continue;
        };
        if let Some(before) = previous {
            merged.push([before, character].iter().collect());
        }
        alone = previous.is_none();
        previous = Some(character);
    }
    flush(&mut merged, previous, alone);
    merged
}

/// A character that had no neighbour to pair with is a term by itself.
fn flush(merged: &mut Vec<String>, character: Option<char>, alone: bool) {
    if let Some(character) = character
        && alone
    {
        merged.push(character.to_string());
    }
}

fn lone_character(token: &str) -> Option<char> {
    let mut characters = token.chars();
    let first = characters.next()?;
    // Below this block stand the scripts that write spaces: Latin, Greek, Cyrillic, Hebrew, Arabic, those of India.
    (characters.next().is_none() && first >= '\u{e00}').then_some(first)
}

fn plain_number(token: String) -> String {
    if !token.starts_with(|c: char| c.is_ascii_digit()) || !token.contains([',', '.']) {
        return token;
    }
    let joined = token.replace(',', "");
    match joined.split_once('.') {
        Some((whole, decimals)) if !whole.is_empty() && decimals.chars().all(|c| c == '0') => whole.to_owned(),
        _ => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        Terms::new().of(text)
    }

    #[test]
    fn inflected_words_share_a_stem_and_stop_words_vanish() {
        assert_eq!(terms("The payments were terminated"), terms("a payment terminates"));
        assert!(terms("and who is it?").is_empty());
    }

    #[test]
    fn accents_and_curly_apostrophes_do_not_part_words() {
        assert_eq!(terms("Café Müller’s"), terms("cafe muller's"));
    }

    #[test]
    fn numbers_agree_whatever_their_separators() {
        assert_eq!(terms("£48,000.00"), ["48000"]);
        assert_eq!(terms("48000"), ["48000"]);
        assert_eq!(terms("1,234.56"), ["1234.56"]);
    }

    #[test]
    fn unspaced_scripts_become_pairs_of_characters() {
        assert_eq!(terms("付款期限"), ["付款", "款期", "期限"]);
        assert_eq!(terms("付"), ["付"]);
        assert!(terms("สัญญา").len() > 1);
        assert_eq!(terms("договоры"), ["договоры"]);
    }

    #[test]
    fn words_keep_what_was_written_beside_the_term() {
        let words = Terms::new().words("What about terminations?");
        assert_eq!(words, [Word { surface: "terminations".into(), term: "termin".into() }]);
    }
}
