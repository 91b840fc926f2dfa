//! Documents cut into passages: what is ranked and quoted.
//!
//! A passage is a span of its document's text, so whatever is quoted from it is verbatim by construction. In prose it is
//! a paragraph, or a turn of a transcript; in a table of comma- or tab-separated values it is a row. No passage is longer
//! than [`LONGEST`] bytes: longer paragraphs are cut between lines, longer lines at the end of a sentence or a word.
//!
//! Each passage keeps its context, which helps to find it: headings, column names, and for a turn of a transcript the turn
//! before it, because “From the 22nd to the 26th.” says little without “When is the stock count?”. The rest of a list that
//! was cut keeps the list's first line.

/// The most bytes in a passage.
pub(super) const LONGEST: usize = 700;
/// The most bytes of a heading, or of a row of column names, that are kept beside each passage.
const LONGEST_CONTEXT: usize = 200;

/// A document, as far as it was read.
pub(super) struct Document {
    /// Its path in the drive.
    pub path: String,
    /// Its lines from the first one on.
    pub text: String,
    /// The number of the last line that was read, when more follow.
    pub cut_after: Option<u64>,
}

/// A span of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passage<'a> {
    /// The document's path in the drive.
    pub path: &'a str,
    /// The line that it starts in, from 1.
    pub first_line: usize,
    /// The line that it ends in.
    pub last_line: usize,
    /// The span.
    pub text: &'a str,
    /// The headings that it stands under, outermost first, or the column names of its table. Then, for a turn of a
    /// transcript, how the turn before it begins; for the rest of a paragraph that was cut, its first line.
    pub context: Vec<&'a str>,
}

/// A line of a document without its line end.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

impl Line<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The passages of a document, in its order.
pub(super) fn split(document: &Document) -> Vec<Passage<'_>> {
    let mut cutter = Cutter { document, open: None, continues: false, context: Vec::new(), passages: Vec::new() };
    match ending(&document.path) {
        "csv" | "tsv" => cutter.table(),
        "md" | "markdown" => cutter.prose(true),
        _ => cutter.prose(false),
    }
    cutter.passages
}

fn ending(path: &str) -> &str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["csv", "tsv", "md", "markdown"].into_iter().find(|known| ending.eq_ignore_ascii_case(known)).unwrap_or("")
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').enumerate().map(move |(index, whole)| {
        let line = Line { number: index + 1, start, text: whole.trim_end_matches(['\n', '\r']) };
        start += whole.len();
        line
    })
}

struct Cutter<'a> {
    document: &'a Document,
    /// The passage that is being gathered.
    open: Option<Open>,
    /// It goes on with a paragraph that was cut.
    continues: bool,
    context: Vec<&'a str>,
    passages: Vec<Passage<'a>>,
}

struct Open {
    first_line: usize,
    last_line: usize,
    start: usize,
    end: usize,
}

impl<'a> Cutter<'a> {
    fn prose(&mut self, markdown: bool) {
        let mut headings: Vec<(usize, &'a str)> = Vec::new();
        let mut turn: Option<&'a str> = None;
        let mut in_code = false;
        for line in lines(&self.document.text) {
            if markdown && line.text.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            let level = if markdown && !in_code { heading_level(line.text) } else { None };
            if let Some(level) = level {
                self.close();
                headings.retain(|(outer, _)| *outer < level);
                headings.push((level, short(line.text[level..].trim())));
                self.context = headings.iter().map(|(_, text)| *text).collect();
            } else if line.text.trim().is_empty() {
                self.close();
            } else {
                let is_turn = starts_turn(line.text);
                if is_turn {
                    self.close();
                }
                if self.open.is_none() {
                    let before = if is_turn { turn.replace(short(line.text)) } else { None };
                    self.context = headings.iter().map(|(_, text)| *text).chain(before).collect();
                }
                self.add(line);
            }
        }
        self.close();
    }

    fn table(&mut self) {
        // A quoted field may hold line ends; the row goes on while a quote is open.
        let mut quoted = false;
        for line in lines(&self.document.text) {
            if line.text.trim().is_empty() && !quoted {
                continue;
            }
            self.add(line);
            quoted ^= line.text.matches('"').count() % 2 == 1;
            if !quoted {
                self.close();
                // What a long row left there was for its own rest.
                self.context.truncate(1);
                if self.context.is_empty() && self.passages.len() == 1 {
                    self.context.push(short(self.passages[0].text));
                }
            }
        }
        self.close();
        // The column names are shown with every row; alone they answer nothing, unless they are all there is.
        if self.passages.len() > 1 {
            self.passages.remove(0);
        }
    }

    fn add(&mut self, line: Line<'a>) {
        if let Some(open) = self.open.take_if(|open| line.end() - open.start > LONGEST) {
            // What a list or a table is about stands in its first line.
            let lead = short(self.document.text[open.start..open.end].lines().next().unwrap_or_default());
            self.push(&open);
            if !self.continues {
                self.context.push(lead);
                self.continues = true;
            }
        }
        if line.text.len() > LONGEST {
            for (start, end) in pieces(line.text) {
                self.push(&Open {
                    first_line: line.number,
                    last_line: line.number,
                    start: line.start + start,
                    end: line.start + end,
                });
            }
            return;
        }
        let end = line.end();
        let open =
            self.open.get_or_insert(Open { first_line: line.number, last_line: line.number, start: line.start, end });
        open.last_line = line.number;
        open.end = end;
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.push(&open);
        }
        self.continues = false;
    }

    fn push(&mut self, span: &Open) {
        self.passages.push(Passage {
            path: &self.document.path,
            first_line: span.first_line,
            last_line: span.last_line,
            text: &self.document.text[span.start..span.end],
            context: self.context.clone(),
        });
    }
}

fn short(text: &str) -> &str {
    super::question::clip(text, LONGEST_CONTEXT)
}

/// The level of a Markdown heading, 1 to 6.
fn heading_level(line: &str) -> Option<usize> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &line[level..];
    ((1..=6).contains(&level) && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some(level)
}

/// Whether a line begins with a time stamp, as turns of a transcript do: `[00:12:41] Priya: …` or `00:12 Priya: …`.
fn starts_turn(line: &str) -> bool {
    let stamp = line.trim_start_matches(['[', '(']);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let hours = digits(stamp);
    (1..=2).contains(&hours) && stamp[hours..].starts_with(':') && digits(&stamp[hours + 1..]) == 2
}

/// A long line in pieces of at most [`LONGEST`] bytes, as spans without the white space round them.
fn pieces(line: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let rest = &line[start..];
        let length = if rest.len() <= LONGEST { rest.len() } else { cut(super::question::clip(rest, LONGEST)) };
        let piece = &rest[..length];
        let trimmed = piece.trim();
        if !trimmed.is_empty() {
            let from = start + (piece.len() - piece.trim_start().len());
            spans.push((from, from + trimmed.len()));
        }
        start += length;
    }
    spans
}

/// Where to cut: behind the last sentence, else behind the last word, else at the very end.
fn cut(window: &str) -> usize {
    let sentence =
        [". ", "! ", "? ", "; ", "。"].iter().filter_map(|end| window.rfind(end).map(|at| at + end.len())).max();
    let word = window.rfind(char::is_whitespace).map(|at| at + 1);
    let behind_half = |at: &usize| *at > window.len() / 2;
    let cut = sentence.filter(behind_half).or(word.filter(behind_half)).unwrap_or(window.len());
    window.ceil_char_boundary(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str, text: &str) -> Document {
        Document { path: path.into(), text: text.into(), cut_after: None }
    }

    fn shown(document: &Document) -> Vec<(usize, usize, &str)> {
        split(document).into_iter().map(|p| (p.first_line, p.last_line, p.text)).collect()
    }

    #[test]
    fn paragraphs_stand_under_their_headings() {
        let document = document("a.md", "# A\n\n## B\none\ntwo\n\n# C\r\nthree\r\n```\n# not a heading\n```\n");
        let passages = split(&document);
        assert_eq!(passages[0].text, "one\ntwo");
        assert_eq!((passages[0].first_line, passages[0].last_line), (4, 5));
        assert_eq!(passages[0].context, ["A", "B"]);
        assert_eq!(passages[1].text, "three\r\n```\n# not a heading\n```");
        assert_eq!(passages[1].context, ["C"]);
    }

    #[test]
    fn turns_of_a_transcript_are_apart_even_without_blank_lines() {
        let document = document("t.txt", "[00:01:02] A: yes\nindeed\n[00:01:09] B: no\n0:02 C: well");
        assert_eq!(
            shown(&document),
            [(1, 2, "[00:01:02] A: yes\nindeed"), (3, 3, "[00:01:09] B: no"), (4, 4, "0:02 C: well")]
        );
        assert_eq!(split(&document)[1].context, ["[00:01:02] A: yes"]);
    }

    #[test]
    fn rows_know_their_columns_and_may_hold_line_ends() {
        let document = document("t.csv", "date,what\n2026-01-01,\"two\nlines\"\n\n2026-01-02,plain\n");
        assert_eq!(shown(&document), [(2, 3, "2026-01-01,\"two\nlines\""), (5, 5, "2026-01-02,plain")]);
        assert!(split(&document).iter().all(|passage| passage.context == ["date,what"]));
    }

    #[test]
    fn a_row_that_is_cut_leaves_no_context_to_the_rows_after_it() {
        let long = format!("1,\"{}\"\n", "a line inside a field\n".repeat(60));
        let document = document("t.csv", &format!("a,b\n{long}{long}2,plain\n"));
        let passages = split(&document);
        assert!(passages.len() > 4 && passages.iter().all(|passage| passage.context.len() <= 2));
        assert_eq!(passages[passages.len() - 1].context, ["a,b"]);
    }

    #[test]
    fn the_rest_of_a_long_list_keeps_its_first_line_as_context() {
        let text =
            format!("[0:01] A: yes\n\nACTION ITEMS\n{}\nOther.", "- somebody does something by some day\n".repeat(50));
        let document = document("t.txt", &text);
        let passages = split(&document);
        let (list, other) = (&passages[1..passages.len() - 1], &passages[passages.len() - 1]);
        assert!(list.len() > 2 && list[0].context.is_empty());
        assert!(list[1..].iter().all(|passage| passage.context == ["ACTION ITEMS"]));
        assert!(other.context.is_empty());
    }

    #[test]
    fn long_lines_and_paragraphs_are_cut_within_the_bound() {
        let sentence = "A sentence of some length, written again and again. ".repeat(100);
        let unbroken = "長".repeat(3000);
        let lines = "a line of a paragraph\n".repeat(200);
        for text in [sentence, unbroken, lines] {
            let document = document("long.txt", &text);
            let passages = split(&document);
            assert!(passages.iter().all(|passage| passage.text.len() <= LONGEST));
            let kept: usize = passages.iter().map(|p| p.text.chars().filter(|c| !c.is_whitespace()).count()).sum();
            assert_eq!(kept, text.chars().filter(|c| !c.is_whitespace()).count());
        }
    }

    #[test]
    fn empty_documents_have_no_passages() {
        for text in ["", "\n\n", "  \r\n"] {
            assert!(split(&document("a.txt", text)).is_empty());
            assert!(split(&document("a.csv", text)).is_empty());
        }
    }
}
