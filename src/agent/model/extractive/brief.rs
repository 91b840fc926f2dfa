//! What the model says: its plan, its answer, and the brief that it saves.
//!
//! A quotation is the passage's lines, each behind `> `, under a line that names file and lines as `path:first-last`. The
//! lines themselves are untouched.

use std::fmt::{self, Write as _};

use super::{
    NAME,
    passage::{Passage, split},
    question::{Question, clip},
    ranking::{Hit, rank},
    reading::{MOST_BYTES, MOST_FILES, Reading, Unread},
};

/// Passages quoted in the answer.
const IN_ANSWER: usize = 3;
/// Passages quoted in the brief.
const IN_BRIEF: usize = 8;
/// A passage is quoted if its score is at least this part of the best one's.
const WORTH_QUOTING: f32 = 0.35;
/// Files or words named in one list.
const MOST_NAMED: usize = 10;
/// Bytes of a prompt that are repeated in the brief.
const MOST_PROMPT: usize = 300;
/// Bytes of a heading, or of another line of context, that are shown with a quotation.
const MOST_CONTEXT: usize = 80;
/// Bytes of the brief's name before its ending.
const MOST_NAME: usize = 60;
/// Words of the prompt in the brief's name.
const NAME_WORDS: usize = 5;

const WHAT_I_AM: &str = "I am Workroom's built-in extractive model. I am not a language model: I rank the passages of \
    your documents by the words that they share with your prompt, and quote the closest ones word for word.";

/// What the first turn says: of so many named files, or of the whole drive.
pub(super) fn plan(named_files: Option<usize>) -> String {
    let first = match named_files {
        None => "list the drive, read the documents that your prompt is about".to_owned(),
        Some(1) => "read the file that you named".to_owned(),
        Some(count) => format!("read the {count} files that you named"),
    };
    format!("{WHAT_I_AM} I will {first}, save a brief of the best passages, and answer with quotations.")
}

/// The answer when the tool could not list the drive.
pub(super) fn drive_not_listed(reason: &str) -> String {
    format!("{WHAT_I_AM}\n\nI could not list the drive: {reason}. Without documents I have nothing to quote.")
}

/// The answer when no document was read.
pub(super) fn nothing_to_read(reading: &Reading) -> String {
    let mut answer = format!("{WHAT_I_AM}\n\n");
    if reading.unread.iter().any(|file| file.failed) {
        answer.push_str("None of the documents could be read, so there is nothing to quote.\n");
    } else {
        answer.push_str(
            "The drive holds no readable document. Upload text to it and ask again: Markdown or plain text (`.md`, \
             `.txt`), tables (`.csv`, `.tsv`), or data as text (`.json`, `.yaml`, `.xml`).\n",
        );
    }
    list_unread(&mut answer, &reading.unread);
    answer.trim_end().to_owned()
}

/// A name for the brief, made from the prompt's words: `brief-late-payment-interest.md`. Small ASCII letters, digits and
/// hyphens only, so that every file system and every address takes it.
pub(super) fn file_name(question: &Question<'_>) -> String {
    let mut name = "brief".to_owned();
    let plain = |surface: &str| surface.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let words = question.words.iter().filter(|word| word.surface.is_ascii()).map(|word| plain(&word.surface));
    for word in words.filter(|word| !word.is_empty()).take(NAME_WORDS) {
        if name.len() + 1 + word.len() > MOST_NAME {
            break;
        }
        name.push('-');
        name.push_str(&word);
    }
    name + ".md"
}

/// What became of the brief.
pub(super) enum SaveOutcome {
    /// It was saved under this name.
    Saved(String),
    /// Why it was not.
    Failed(String),
}

/// What was found, ready to be written down.
pub(super) struct Findings<'a> {
    prompt: &'a str,
    asks_for_summary: bool,
    reading: &'a Reading,
    quotations: Vec<Quotation<'a>>,
    passages: usize,
    /// Words of the prompt that stand in no document, as they were written.
    absent: Vec<String>,
}

/// A passage to be quoted.
struct Quotation<'a>(Passage<'a>);

impl<'a> Findings<'a> {
    pub fn new(prompt: &'a str, question: &Question<'_>, reading: &'a Reading) -> Self {
        let passages: Vec<Passage<'a>> = reading.documents.iter().flat_map(split).collect();
        let ranking = rank(question, &passages);
        let best = ranking.hits.first().map_or(0.0, |hit| hit.score);
        let worth = |hit: &&Hit<'_, 'a>| hit.score >= best * WORTH_QUOTING;
        let quotations =
            ranking.hits.iter().filter(worth).take(IN_BRIEF).map(|hit| Quotation(hit.passage.clone())).collect();
        let absent = question.words.iter().zip(&ranking.found_in).filter(|(_, found)| **found == 0);
        let absent = absent.map(|(word, _)| word.surface.clone()).collect();
        Self {
            prompt,
            asks_for_summary: question.asks_for_summary,
            reading,
            quotations,
            passages: passages.len(),
            absent,
        }
    }

    /// The answer: the best passages, what is missing, and where the brief is.
    pub fn answer(&self, saved: &SaveOutcome) -> String {
        let mut text = format!("{WHAT_I_AM}\n\n");
        if self.asks_for_summary {
            text.push_str(
                "I cannot summarise; only a language model can. Ask me where the documents speak of something.\n\n",
            );
        }
        if self.quotations.is_empty() {
            let _ = writeln!(text, "{}\n", self.no_match());
        } else {
            let _ = writeln!(text, "Closest to your prompt, of {}:\n", self.searched());
        }
        for (n, quotation) in self.quotations.iter().take(IN_ANSWER).enumerate() {
            let _ = writeln!(text, "{}. {quotation}", n + 1);
        }
        self.list_absent(&mut text);
        self.list_partial(&mut text);
        list_unread(&mut text, &self.reading.unread);
        let _ = match saved {
            SaveOutcome::Saved(name) => match self.quotations.len() {
                0 => writeln!(text, "The brief `{name}`, saved with this run, says the same."),
                1 => writeln!(text, "The brief `{name}` holds this passage and is saved with this run."),
                count => {
                    writeln!(text, "The brief `{name}` holds the best {count} passages and is saved with this run.")
                }
            },
            SaveOutcome::Failed(reason) => writeln!(text, "The brief could not be saved: {reason}."),
        };
        text.trim_end().to_owned()
    }

    /// The brief, in Markdown.
    pub fn brief(&self) -> String {
        let prompt = self.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = shortened(&prompt, MOST_PROMPT);
        let mut text = format!(
            "# Brief\n\nPrompt: {shown}\n\nMade by `{NAME}`, which is not a language model. It ranks passages by \
             the words that they share with the prompt and quotes them word for word. It draws no conclusions; the \
             passages speak for themselves.\n\n## Passages\n\n"
        );
        if self.quotations.is_empty() {
            let _ = writeln!(text, "{}\n", self.no_match());
        }
        for (n, quotation) in self.quotations.iter().enumerate() {
            let _ = writeln!(text, "### {}. {quotation}", n + 1);
        }
        self.list_absent(&mut text);
        text.push_str("## Documents\n\n");
        for document in &self.reading.documents {
            let _ = writeln!(text, "- `{}`, {} lines", document.path, document.text.lines().count());
        }
        text.push('\n');
        self.list_partial(&mut text);
        list_unread(&mut text, &self.reading.unread);
        text.trim_end().to_owned() + "\n"
    }

    fn searched(&self) -> String {
        let passages = counted(self.passages, "passage");
        format!("{passages} in {}", counted(self.reading.documents.len(), "document"))
    }

    fn no_match(&self) -> String {
        format!(
            "Nothing matches: I looked through {}, and no passage shares a meaningful word with your prompt. Try words \
             that the documents themselves may use.",
            self.searched()
        )
    }

    fn list_absent(&self, text: &mut String) {
        if !self.absent.is_empty() && !self.quotations.is_empty() {
            let words: Vec<String> = self.absent.iter().map(|word| format!("“{word}”")).collect();
            let _ = writeln!(text, "Words of your prompt that stand in no document: {}.\n", list(&words));
        }
    }

    fn list_partial(&self, text: &mut String) {
        let partial = self.reading.documents.iter().filter_map(|document| Some((document, document.cut_after?)));
        for (document, line) in partial {
            let _ = writeln!(text, "I read `{}` only to line {line}.\n", document.path);
        }
        if self.reading.listing_cut {
            text.push_str(
                "The drive holds more files than I was shown; name a file in your prompt to have it read.\n\n",
            );
        }
    }
}

impl fmt::Display for Quotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Passage { path, first_line, last_line, text, context } = &self.0;
        write!(f, "`{path}:{first_line}")?;
        if last_line > first_line {
            write!(f, "-{last_line}")?;
        }
        f.write_str("`")?;
        if !context.is_empty() {
            let shown: Vec<String> = context.iter().map(|text| shortened(text, MOST_CONTEXT)).collect();
            write!(f, " ({})", shown.join(" › "))?;
        }
        f.write_str("\n\n")?;
        text.lines().try_for_each(|line| writeln!(f, "> {line}"))
    }
}

fn list_unread(text: &mut String, unread: &[Unread]) {
    for (failed, lead) in [(true, "I could not read"), (false, "I left aside")] {
        let files: Vec<String> = unread
            .iter()
            .filter(|file| file.failed == failed)
            .map(|file| format!("`{}` ({})", file.path, file.reason))
            .collect();
        if !files.is_empty() {
            let _ = writeln!(text, "{lead} {}.\n", list(&files));
        }
    }
    if unread.iter().any(|file| !file.failed && file.reason.contains("bound")) {
        let _ = writeln!(text, "One run reads at most {MOST_FILES} files and {} KiB of text.\n", MOST_BYTES / 1024);
    }
}

/// The text, or its beginning and an ellipsis.
fn shortened(text: &str, bytes: usize) -> String {
    let beginning = clip(text, bytes);
    if beginning.len() < text.len() { format!("{beginning} …") } else { text.to_owned() }
}

fn list(items: &[String]) -> String {
    let named = items.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
