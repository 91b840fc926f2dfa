//! What the sample documents promise, and how well passages are found in them.

use serde::Deserialize;

use super::{
    passage::{Document, Passage, split},
    question::Question,
    ranking::rank,
    thread::Thread,
};
use crate::agent::model::Message;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
/// The sample documents that are asked about.
pub(super) const DOCUMENTS: [&str; 3] = ["contract.md", "meeting-transcript.txt", "transactions.csv"];

/// The text of a sample document.
pub(super) fn text_of(document: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/documents/{document}")).expect("the sample document is there")
}

/// Questions whose answers stand in a known passage.
#[derive(Deserialize)]
struct Questions {
    /// The passages among which the answers are looked for, each by a phrase that stands nowhere else in its file.
    passages: Vec<Place>,
    questions: Vec<Asked>,
}

#[derive(Deserialize)]
struct Place {
    file: String,
    phrase: String,
}

#[derive(Deserialize)]
struct Asked {
    question: String,
    file: String,
    /// Words of the passage that answers.
    phrase: String,
}

fn questions() -> Questions {
    let text = std::fs::read_to_string(format!("{FOLDER}/questions.json")).expect("the questions are there");
    serde_json::from_str(&text).expect("the questions are well-formed")
}

fn documents() -> Vec<Document> {
    DOCUMENTS.iter().map(|name| Document { path: (*name).into(), text: text_of(name), cut_after: None }).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()).collect()
}

fn holds(passage: &Passage<'_>, file: &str, phrase: &str) -> bool {
    let text = passage.text.split_whitespace().collect::<Vec<_>>().join(" ");
    passage.path == file && text.contains(phrase)
}

/// The one passage that holds the phrase.
fn find<'p, 'a>(passages: &'p [Passage<'a>], file: &str, phrase: &str) -> &'p Passage<'a> {
    let holding: Vec<&Passage<'_>> = passages.iter().filter(|passage| holds(passage, file, phrase)).collect();
    assert_eq!(holding.len(), 1, "“{phrase}” stands in {} passages of {file}", holding.len());
    passages.iter().find(|passage| holds(passage, file, phrase)).expect("it was just counted")
}

/// The place of the right passage among the candidates, from 1.
fn place(asked: &Asked, candidates: &[Passage<'_>]) -> Option<usize> {
    let messages = [Message::User { text: asked.question.clone(), files: Vec::new() }];
    let thread = Thread::of(&messages).expect("there is a prompt");
    let ranking = rank(&Question::of(&thread), candidates);
    ranking.hits.iter().position(|hit| holds(hit.passage, &asked.file, &asked.phrase)).map(|index| index + 1)
}

#[test]
fn each_of_twenty_answers_is_among_the_first_three_of_thirty_passages() {
    let documents = documents();
    let all: Vec<Passage<'_>> = documents.iter().flat_map(split).collect();
    let Questions { passages, questions } = questions();
    let mut candidates: Vec<Passage<'_>> = Vec::new();
    for Place { file, phrase } in &passages {
        let passage = find(&all, file, phrase).clone();
        assert!(!candidates.contains(&passage), "“{phrase}” names a passage that is there already");
        candidates.push(passage);
    }
    assert_eq!((candidates.len(), questions.len()), (30, 20));
    let missed: Vec<String> = questions
        .iter()
        .map(|asked| (asked, place(asked, &candidates)))
        .filter(|(_, place)| place.is_none_or(|place| place > 3))
        .map(|(asked, place)| format!("{place:?}: {}", asked.question))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn most_answers_are_among_the_first_three_of_all_passages() {
    let documents = documents();
    let all: Vec<Passage<'_>> = documents.iter().flat_map(split).collect();
    let places: Vec<(String, Option<usize>)> =
        questions().questions.iter().map(|asked| (asked.question.clone(), place(asked, &all))).collect();
    let right = places.iter().filter(|(_, place)| place.is_some_and(|place| place <= 3)).count();
    assert!(right >= 16, "{right} of 20: {places:?}");
}

#[test]
fn questions_share_no_long_span_with_their_answers() {
    const TOO_LONG: usize = 6;
    let documents = documents();
    let all: Vec<Passage<'_>> = documents.iter().flat_map(split).collect();
    for asked in questions().questions {
        let passage = words(find(&all, &asked.file, &asked.phrase).text);
        let question = words(&asked.question);
        for span in question.windows(TOO_LONG) {
            assert!(!passage.windows(TOO_LONG).any(|other| other == span), "{} repeats {span:?}", asked.question);
        }
    }
}

#[test]
fn sample_documents_are_no_toys() {
    let length = |name| words(&text_of(name)).len();
    assert!(length("contract.md") >= 2_500);
    assert!(length("meeting-transcript.txt") >= 2_000);
    assert!(text_of("transactions.csv").lines().count() > 150);
}

#[test]
fn balances_of_the_account_add_up() {
    let pence = |field: &str| -> i64 {
        let (pounds, pence) = field.split_once('.').expect("sums have two decimals");
        assert_eq!(pence.len(), 2, "{field}");
        format!("{pounds}{pence}").parse().expect("sums are numbers")
    };
    let text = text_of("transactions.csv");
    let mut last: Option<(String, i64)> = None;
    for row in text.lines().skip(1) {
        // From the end, because only descriptions and names hold commas.
        let fields: Vec<&str> = row.rsplitn(5, ',').collect();
        let (balance, amount) = (pence(fields[1]), pence(fields[3]));
        let date = row[..10].to_owned();
        if let Some((earlier, before)) = last {
            assert_eq!(before + amount, balance, "{row}");
            assert!(earlier <= date, "{row}");
        }
        last = Some((date, balance));
    }
}
