//! Whole runs of the model, from the prompt to the answer.

use std::time::{Duration, Instant};

use super::{
    Extractive, NAME,
    fake_tools::{FakeTools, Ran},
    fixtures_tests::{DOCUMENTS, text_of},
    next_reply,
};
use crate::agent::model::{Conversation, Message, Model};

const PROMPTS: [&str; 9] = [
    "How much interest do we owe if we pay late?",
    "Which action items does Gareth Moncrieff have?",
    "penetration test retest Larkspur high findings",
    "Pellworth payments in May",
    "¿Qué pasa con los datos personales? données, Daten, 付款期限",
    "milestone M3 cutover target date | amount",
    "backups",
    "the of and",
    "Tell me everything on training, scanners, hotels, rail, insurance, notices, liability and confidentiality",
];

fn fixtures() -> FakeTools {
    let texts: Vec<(&str, String)> = DOCUMENTS.iter().map(|name| (*name, text_of(name))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    FakeTools::with(&files)
}

/// The quotations of an answer or a brief: path, first and last line, and the lines behind `> `.
fn quotations(text: &str) -> Vec<(String, usize, usize, Vec<String>)> {
    let mut found: Vec<(String, usize, usize, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(quoted) = line.strip_prefix("> ") {
            found.last_mut().expect("a citation goes before").3.push(quoted.to_owned());
        } else if let Some((_, cited)) = line.split_once(". `")
            && let Some((place, _)) = cited.split_once('`')
            && let Some((path, lines)) = place.rsplit_once(':')
        {
            let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
            let number = |digits: &str| digits.parse().expect("lines are numbers");
            found.push((path.to_owned(), number(first), number(last), Vec::new()));
        }
    }
    found
}

/// Fails unless every quotation is what its file says in these lines; gives how many there are.
fn check_verbatim(text: &str, original: impl Fn(&str) -> String) -> usize {
    let found = quotations(text);
    for (path, first, last, quoted) in &found {
        let original = original(path);
        let lines: Vec<&str> = original.trim_start_matches('\u{feff}').lines().skip(first - 1).collect();
        assert_eq!(quoted.len(), last - first + 1, "{path}:{first}-{last}");
        for (line, quoted) in lines.iter().zip(quoted) {
            assert!(!quoted.is_empty() && line.contains(quoted), "{path}:{first}: {quoted:?} is not in {line:?}");
        }
    }
    found.len()
}

#[test]
fn quotations_are_verbatim_under_their_file_and_line() {
    for prompt in PROMPTS {
        for bytes_per_answer in [None, Some(2_000)] {
            let mut tools = fixtures();
            tools.bytes_per_answer = bytes_per_answer;
            let Ran { answer, .. } = tools.run(&[], prompt, &[]);
            let in_answer = check_verbatim(&answer, text_of);
            let in_brief = check_verbatim(&tools.saved[0].1, text_of);
            assert!(in_brief >= in_answer);
            assert_eq!(in_answer == 0, prompt == "the of and", "{prompt}: {answer}");
        }
    }
}

#[test]
fn an_answer_quotes_the_clause_and_names_its_brief() {
    let mut tools = fixtures();
    let Ran { answer, messages } = tools.run(&[], "What interest is charged on late payment?", &[]);
    let (path, first, _, lines) = quotations(&answer).swap_remove(0);
    assert_eq!(path, "contract.md");
    let original = text_of("contract.md");
    assert!(original.lines().nth(first - 1).is_some_and(|line| line.starts_with("4.4 Late payment.")));
    assert!(lines.join(" ").contains("four per cent a year"));
    assert!(answer.contains("not a language model"));
    let (name, brief) = &tools.saved[0];
    assert_eq!(name, "brief-interest-charged-late-payment.md");
    assert!(answer.contains(&format!("`{name}`")));
    assert!(brief.contains(NAME) && brief.contains("not a language model"));
    let tools_used: Vec<&str> = messages
        .iter()
        .filter_map(|message| match message {
            Message::Assistant { calls, .. } => Some(calls),
            _ => None,
        })
        .flatten()
        .map(|call| call.tool.as_str())
        .collect();
    assert_eq!(tools_used, ["list_files", "read_file", "read_file", "read_file", "save_output"]);
}

#[test]
fn only_the_named_files_are_read() {
    let prompt = "What is said about scanners?";
    let read = |messages: &[Message]| -> Vec<String> {
        let paths = messages.iter().filter_map(|message| match message {
            Message::Tool { output, .. } => output.get("path").and_then(|path| path.as_str()).map(str::to_owned),
            _ => None,
        });
        paths.collect()
    };
    let named = fixtures().run(&[], prompt, &["contract.md", "contract.md"]);
    assert_eq!(read(&named.messages), ["contract.md"]);
    let mentioned = fixtures().run(&[], "What does transactions.csv say about scanners?", &[]);
    assert_eq!(read(&mentioned.messages), ["transactions.csv"]);
    assert!(mentioned.answer.contains("date,description,counterparty"));
    assert_eq!(read(&fixtures().run(&[], prompt, &[]).messages).len(), 3);
}

#[test]
fn a_follow_up_leans_on_the_prompt_before_it() {
    let first = fixtures().run(&[], "What does the agreement say about late payment interest?", &[]);
    let prompt = "and the Bank?";
    let alone = fixtures().run(&[], prompt, &[]);
    let following = fixtures().run(&first.messages, prompt, &[]);
    let first_quoted = |ran: &Ran| quotations(&ran.answer).swap_remove(0);
    assert_eq!(first_quoted(&alone).0, "transactions.csv");
    let (path, _, _, lines) = first_quoted(&following);
    assert_eq!(path, "contract.md");
    assert!(lines.join(" ").contains("base rate of the Bank of England"));
}

#[test]
fn no_match_is_said_plainly_and_a_brief_saved_all_the_same() {
    let mut tools = fixtures();
    let Ran { answer, .. } = tools.run(&[], "Describe photosynthesis in zebrafish", &[]);
    assert!(answer.contains("Nothing matches"), "{answer}");
    assert!(tools.saved[0].1.contains("Nothing matches"));
    assert_eq!(quotations(&answer).len(), 0);
}

#[test]
fn a_wish_for_a_summary_is_answered_with_what_the_model_is_not() {
    let Ran { answer, .. } = fixtures().run(&[], "Summarise the contract", &[]);
    assert!(answer.contains("I cannot summarise"), "{answer}");
    assert!(!fixtures().run(&[], "backups", &[]).answer.contains("I cannot summarise"));
}

#[test]
fn a_long_list_is_found_by_its_first_line() {
    let Ran { answer, .. } = fixtures().run(&[], "Which action items does Gareth Moncrieff have?", &[]);
    let quoted = quotations(&answer).into_iter().flat_map(|(_, _, _, lines)| lines);
    assert!(quoted.into_iter().any(|line| line.starts_with("A8  Gareth Moncrieff")), "{answer}");
}

#[test]
fn words_that_stand_nowhere_are_named() {
    let Ran { answer, .. } = fixtures().run(&[], "hotel with swimmingpool", &[]);
    assert!(answer.contains("stand in no document: “swimmingpool”"), "{answer}");
}

#[test]
fn an_empty_drive_is_told_what_to_upload() {
    let mut tools = FakeTools::default();
    let Ran { answer, .. } = tools.run(&[], "What is the fee?", &[]);
    assert!(answer.contains("no readable document") && answer.contains("Upload"));
    assert!(tools.saved.is_empty());
}

#[test]
fn what_could_not_be_read_is_named() {
    let files = ["contract.md", "scan.pdf", "gone.txt"];
    let mut tools = fixtures().with_unreadable("scan.pdf");
    let Ran { answer, .. } = tools.run(&[], "What is the fee for support?", &files);
    assert!(answer.contains("`scan.pdf` (the file is not text)"), "{answer}");
    assert!(answer.contains("`gone.txt` (there is no such file)"));
    assert!(!quotations(&answer).is_empty());
    let aside = fixtures().with_unreadable("scan.pdf").run(&[], "What is the fee for support?", &[]);
    assert!(aside.answer.contains("I left aside `scan.pdf`"));
    let nothing = FakeTools::default().run(&[], "What is the fee?", &["gone.txt"]);
    assert!(nothing.answer.contains("None of the documents could be read"));
}

#[test]
fn a_listing_that_was_cut_is_told() {
    let mut tools = fixtures();
    assert!(!tools.run(&[], "backups", &[]).answer.contains("more files than I was shown"));
    tools.listing_cut = true;
    assert!(tools.run(&[], "backups", &[]).answer.contains("more files than I was shown"));
}

#[test]
fn a_brief_that_could_not_be_saved_costs_no_answer() {
    let mut tools = fixtures();
    tools.saving_fails = Some("the project is full");
    let Ran { answer, .. } = tools.run(&[], "backups", &[]);
    assert!(answer.contains("could not be saved: the project is full"));
    assert!(!quotations(&answer).is_empty());
}

#[test]
fn every_turn_is_made_again_from_the_recorded_messages() {
    let mut tools = fixtures();
    tools.bytes_per_answer = Some(6_000);
    let Ran { messages, .. } = tools.run(&[], "Who signs change eight, and when?", &[]);
    for (at, message) in messages.iter().enumerate() {
        if let Message::Assistant { text, calls } = message {
            let stored = serde_json::to_string(&messages[..at]).expect("messages can be stored");
            let read: Vec<Message> = serde_json::from_str(&stored).expect("stored messages can be read");
            let again = next_reply(&read);
            assert_eq!((&again.text, &again.calls), (text, calls));
        }
    }
}

#[test]
fn hostile_prompts_and_documents_are_borne() {
    let huge_line = "word after word, ".repeat(60_000);
    let unbroken = "x".repeat(300_000);
    let files = [
        ("bom.md", "\u{feff}# Fees\r\n\r\nThe fee is forty crowns.\r\nIt is paid in May.\r\n"),
        ("empty.txt", ""),
        ("huge.txt", huge_line.as_str()),
        ("unbroken.json", unbroken.as_str()),
        ("arabic.txt", "رسوم الدعم تدفع شهريا"),
        ("chinese.txt", "合同的付款期限为三十天。\n违约金另计。"),
        ("quotes.csv", "a,b\n\"never closed,1\n2,3\nfee,\"4\"\n"),
        ("# odd name.md", "#\n######\n####### fee\n"),
    ];
    let original = |path: &str| files.iter().find(|(name, _)| *name == path).expect("the file is there").1.to_owned();
    let long_prompt = "fee and ¶ word 付款 ".repeat(6_000);
    for prompt in ["What is the fee?", "付款期限", "رسوم", "", " \n\t", "\u{0}\u{feff}\u{200b}", "🙂🙂", &long_prompt]
    {
        let started = Instant::now();
        let mut tools = FakeTools::with(&files);
        let Ran { answer, .. } = tools.run(&[], prompt, &[]);
        check_verbatim(&answer, original);
        assert!(tools.saved[0].0.is_ascii() && tools.saved[0].0.len() < 80);
        assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    }
    let mut tools = FakeTools::with(&files);
    assert!(tools.run(&[], "付款期限", &[]).answer.contains("> 合同的付款期限为三十天。"));
    assert!(tools.run(&[], "Who pays the fee, and when in May?", &[]).answer.contains("`bom.md:3-4`"));
}

#[test]
fn reading_stops_at_its_bounds_and_says_so() {
    let large = "A line about the fee of the harbour.\n".repeat(40_000);
    let small: Vec<(String, &str)> = (0..30).map(|n| (format!("small-{n:02}.txt"), "The fee.\n")).collect();
    let mut files: Vec<(&str, &str)> = small.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let Ran { answer, .. } = FakeTools::with(&files).run(&[], "What is the fee?", &[]);
    assert!(answer.contains("more than 20 files"), "{answer}");
    files.truncate(3);
    files.insert(0, ("large.txt", &large));
    let Ran { answer, messages } = FakeTools::with(&files).run(&[], "What is the fee?", &[]);
    assert!(answer.contains("I read `large.txt` only to line "), "{answer}");
    let read: usize = messages
        .iter()
        .filter_map(|message| match message {
            Message::Tool { output, .. } => output.get("text").and_then(|text| text.as_str()).map(str::len),
            _ => None,
        })
        .sum();
    assert!((900_000..=1024 * 1024).contains(&read), "{read} bytes were read");
}

#[tokio::test]
async fn a_reply_counts_words_as_tokens_and_says_what_it_is() {
    let conversation = Conversation {
        messages: vec![
            Message::System { text: "You read documents.".into() },
            Message::User { text: "What is the fee?".into(), files: vec!["contract.md".into()] },
        ],
        tools: Vec::new(),
    };
    let reply = Extractive.reply(&conversation).await.expect("the built-in model answers");
    assert_eq!(Extractive.name(), NAME);
    assert_eq!(reply.usage.input_tokens, 8);
    let written = reply.text.split_whitespace().count() as u64;
    // The call adds its tool, area, path, first line and bound.
    assert_eq!(reply.usage.output_tokens, written + 5);
    assert!(reply.text.contains("not a language model"));
    assert_eq!(reply.calls[0].id, "call_1_1");
}
