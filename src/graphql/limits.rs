//! What a document may cost before anything is executed.
//!
//! The engine's own depth and complexity limits come too late for hostile documents: its parser overflows the stack on
//! literals nested a thousand deep, and its validation walks every expansion of fragments that double each other. So
//! two guards of our own run first, both in linear time:
//!
//! 1. [`check_text`] reads the text once, before the parser: size, nesting of brackets, number of tokens.
//! 2. [`check_document`] walks the parsed document once, each fragment one time, and remembers what it weighs:
//!    selections after expansion, height, aliases, repeated fields, directives, introspection of lists in lists.
//!
//! Both answer with an error of kind [`Invalid`](crate::error::Kind::Invalid) that names the limit.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};

use crate::error::{Error, Result};

/// How large and how tangled a document may be. Counts, unless a field says otherwise.
#[derive(Clone, Debug)]
pub struct DocumentLimits {
    /// Longest text, in bytes.
    pub bytes: usize,
    /// Deepest nesting of `()`, `[]` and `{}` in the text.
    pub nesting: usize,
    /// Most lexical tokens in the text.
    pub tokens: usize,
    /// Most selections once every fragment is spread.
    pub selections: u64,
    /// Deepest nesting of selection sets once every fragment is spread.
    pub height: usize,
    /// Most aliased fields.
    pub aliases: usize,
    /// Most fields that say again what their own selection set has said before.
    pub repeats: usize,
    /// Most directives.
    pub directives: usize,
    /// Most lists in lists that introspection may ask for (`fields { type { fields … } }`).
    pub introspected_lists: u64,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 10,
            nesting: 64,
            tokens: 10_000,
            selections: 2_000,
            height: 64,
            aliases: 30,
            repeats: 50,
            directives: 50,
            introspected_lists: 2,
        }
    }
}

fn beyond(what: &str, limit: impl std::fmt::Display) -> Error {
    Error::invalid(format!("The document has too many {what}: at most {limit} are taken."))
}

/// Whether the text is short enough to be looked at.
pub fn fits(text: &str, limits: &DocumentLimits) -> bool {
    text.len() <= limits.bytes
}

/// Refuses a text that is too long, nested too deep for the parser's stack, or has too many tokens.
pub fn check_text(text: &str, limits: &DocumentLimits) -> Result<()> {
    if !fits(text, limits) {
        return Err(beyond("bytes", limits.bytes));
    }
    let (mut depth, mut tokens) = (0usize, 0usize);
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let length = token_length(rest);
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits.nesting {
            return Err(Error::invalid(format!("The document is nested more than {} deep.", limits.nesting)));
        }
        if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'#') {
            tokens += 1;
        }
        if tokens > limits.tokens {
            return Err(beyond("tokens", limits.tokens));
        }
        rest = &rest[length.min(rest.len())..];
    }
    Ok(())
}

/// How many bytes the token, comment or blank at the start of `rest` has. At least one; beyond the end when unclosed.
fn token_length(rest: &[u8]) -> usize {
    let run = |more: fn(u8) -> bool| rest.iter().take_while(|byte| more(**byte)).count();
    match rest[0] {
        b'#' => run(|byte| byte != b'\n' && byte != b'\r'),
        b'"' if rest.starts_with(b"\"\"\"") => {
            let mut at = 3;
            while at < rest.len() && !rest[at..].starts_with(b"\"\"\"") {
                at += if rest[at..].starts_with(b"\\\"\"\"") { 4 } else { 1 };
            }
            at + 3
        }
        b'"' => {
            let mut at = 1;
            while at < rest.len() && rest[at] != b'"' && rest[at] != b'\n' {
                at += if rest[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        }
        byte if is_word(byte) => run(is_word),
        _ => 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.') || byte >= 0x80
}

/// Refuses a document that grows too large when its fragments are spread, or that repeats itself too often.
pub fn check_document(document: &ExecutableDocument, limits: &DocumentLimits) -> Result<()> {
    let mut walk = Walk { document, limits, known: HashMap::new(), aliases: 0, repeats: 0, directives: 0 };
    let mut selections = 0u64;
    for (_, operation) in document.operations.iter() {
        walk.directives(&operation.node.directives)?;
        selections = selections.saturating_add(walk.set(&operation.node.selection_set.node, 1)?.selections);
    }
    // What no operation spreads is refused by validation, which walks it first.
    for name in document.fragments.keys() {
        walk.fragment(name, 1)?;
    }
    if selections > limits.selections { Err(beyond("selections", limits.selections)) } else { Ok(()) }
}

/// What a selection set comes to once its fragments are spread.
#[derive(Clone, Copy, Default)]
struct Weight {
    selections: u64,
    height: usize,
    lists: u64,
}

/// One walk over a document. The counters are of the text: a fragment counts once, however often it is spread.
struct Walk<'a> {
    document: &'a ExecutableDocument,
    limits: &'a DocumentLimits,
    /// What a fragment weighs; `None` while it is being weighed, so that a circle shows.
    known: HashMap<&'a Name, Option<Weight>>,
    aliases: usize,
    repeats: usize,
    directives: usize,
}

impl<'a> Walk<'a> {
    /// `depth` bounds our own recursion; the height in the answer bounds what a remembered fragment adds below.
    fn set(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Weight> {
        if depth > self.limits.height {
            return Err(self.too_high());
        }
        let mut sum = Weight::default();
        let mut keys = HashSet::new();
        for item in &set.items {
            self.directives(item.node.directives())?;
            let below = match &item.node {
                Selection::Field(field) => {
                    self.field(&field.node, &mut keys)?;
                    self.below_field(&field.node, depth)?
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, depth + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1)?,
            };
            sum.selections = sum.selections.saturating_add(1).saturating_add(below.selections);
            sum.height = sum.height.max(below.height);
            sum.lists = sum.lists.max(below.lists);
        }
        if !set.items.is_empty() {
            sum.height += 1;
        }
        if depth + sum.height > self.limits.height + 1 { Err(self.too_high()) } else { Ok(sum) }
    }

    fn field(&mut self, field: &'a Field, keys: &mut HashSet<&'a Name>) -> Result<()> {
        if field.alias.is_some() {
            self.aliases += 1;
        }
        if !keys.insert(&field.response_key().node) {
            self.repeats += 1;
        }
        if self.aliases > self.limits.aliases {
            return Err(beyond("aliases", self.limits.aliases));
        }
        if self.repeats > self.limits.repeats { Err(beyond("repeated fields", self.limits.repeats)) } else { Ok(()) }
    }

    fn below_field(&mut self, field: &'a Field, depth: usize) -> Result<Weight> {
        let mut below = self.set(&field.selection_set.node, depth + 1)?;
        match field.name.node.as_str() {
            "fields" | "inputFields" | "interfaces" | "possibleTypes" => below.lists += 1,
            "__schema" | "__type" if below.lists > self.limits.introspected_lists => {
                let limit = self.limits.introspected_lists;
                return Err(Error::invalid(format!("Introspection goes at most {limit} lists of fields deep.")));
            }
            _ => {}
        }
        Ok(below)
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Result<Weight> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        match self.known.get(name) {
            Some(Some(weight)) if depth + weight.height > self.limits.height + 1 => Err(self.too_high()),
            Some(Some(weight)) => Ok(*weight),
            Some(None) => Err(Error::invalid(format!("The fragment \"{name}\" spreads itself."))),
            None => {
                self.known.insert(name, None);
                self.directives(&fragment.node.directives)?;
                let weight = self.set(&fragment.node.selection_set.node, depth)?;
                self.known.insert(name, Some(weight));
                Ok(weight)
            }
        }
    }

    fn directives(&mut self, directives: &'a [Positioned<Directive>]) -> Result<()> {
        self.directives += directives.len();
        if self.directives > self.limits.directives {
            return Err(beyond("directives", self.limits.directives));
        }
        let mut names = HashSet::new();
        for directive in directives {
            let name = &directive.node.name.node;
            if !names.insert(name) {
                return Err(Error::invalid(format!("The directive \"@{name}\" can only be used once at one place.")));
            }
        }
        Ok(())
    }

    fn too_high(&self) -> Error {
        Error::invalid(format!("The document's fields are nested more than {} deep.", self.limits.height))
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn text(text: &str) -> Result<()> {
        check_text(text, &DocumentLimits::default())
    }

    fn document(text: &str) -> Result<()> {
        check_document(&parse_query(text).expect("a document"), &DocumentLimits::default())
    }

    /// Fragments `F0` and on, each with what `spreads` makes of the number of the next.
    fn chain(length: usize, spreads: impl Fn(usize) -> String) -> String {
        let fragments: Vec<String> =
            (0..length).map(|n| format!("fragment F{n} on Query {{ {} }}", spreads(n + 1))).collect();
        fragments.join(" ")
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let deep = "[".repeat(100);
        for quoted in [
            format!("{{ a(b: \"{deep}\") }}"),
            format!("{{ a }} # {deep}"),
            format!("{{ a(b: \"\"\"{deep}\\\"\"\"\"\"\") }}"),
        ] {
            assert!(text(&quoted).is_ok(), "{quoted}");
        }
        assert!(text(&format!("{{ a(b: {deep}) }}")).is_err());
        assert!(text(&format!("{{ a(b: \"\" c: {deep}) }}")).is_err());
    }

    #[test]
    fn an_unclosed_string_ends_the_scan() {
        for open in ["\"", "\"\\", "\"\"\"", "\"\"\"\\\"\"\"", "{ a(b: \"x"] {
            assert!(text(open).is_ok(), "{open}");
        }
    }

    #[test]
    fn tokens_are_counted() {
        let limits = DocumentLimits { tokens: 5, ..DocumentLimits::default() };
        assert!(check_text("{ abc, def\n}", &limits).is_ok());
        assert!(check_text("{ a b c d }", &limits).is_err());
    }

    #[test]
    fn doubling_fragments_are_refused_at_once() {
        let doubled = chain(40, |next| format!("...F{next} ...F{next}"));
        let bomb = format!("{{ ...F0 }} {doubled} fragment F40 on Query {{ __typename }}");
        assert!(document(&bomb).is_err());
    }

    #[test]
    fn a_long_chain_of_fragments_is_refused_even_where_no_operation_spreads_it() {
        let chain = chain(1000, |next| format!("...F{next}"));
        assert!(document(&format!("{{ a }} {chain} fragment F1000 on Query {{ a }}")).is_err());
    }

    #[test]
    fn height_is_the_same_whichever_fragment_is_weighed_first() {
        let nested = |depth: usize| format!("{}x{}", "a { ".repeat(depth), " }".repeat(depth));
        let with = |depth: usize| format!("{{ ...F }} fragment F on Query {{ {} }}", nested(depth));
        assert!(document(&with(61)).is_ok());
        assert!(document(&with(63)).is_err());
    }

    #[test]
    fn circles_repeats_and_aliases_are_refused() {
        assert!(document("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }").is_err());
        assert!(document(&format!("{{ {} }}", "a ".repeat(50))).is_ok());
        assert!(document(&format!("{{ {} }}", "a ".repeat(60))).is_err());
        let aliases = |count: usize| (0..count).map(|n| format!("a{n}: b")).collect::<Vec<_>>().join(" ");
        assert!(document(&format!("{{ {} }}", aliases(30))).is_ok());
        assert!(document(&format!("{{ {} }}", aliases(31))).is_err());
    }

    #[test]
    fn a_directive_stands_once_at_one_place() {
        assert!(document("{ a @skip(if: false) @include(if: true) b @skip(if: true) }").is_ok());
        assert!(document("{ a @skip(if: false) @skip(if: false) }").is_err());
    }

    #[test]
    fn introspection_may_not_go_round_in_circles() {
        assert!(document("{ __schema { types { fields { type { fields { name } } } } } }").is_ok());
        assert!(
            document("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }").is_err()
        );
        assert!(document("{ fields { fields { fields { fields } } } }").is_ok());
    }
}
