//! Rules for text that people type: names, prompts, labels.

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The form in which two texts are the same when a person would say so: case and compatibility forms are folded, in every
/// script. Names are searched and sorted by it, on both engines alike.
pub fn fold(text: &str) -> String {
    caseless::default_case_fold_str(&text.nfkc().collect::<String>()).nfkc().collect()
}

/// A `like` pattern that finds `text` anywhere in a folded column, with `\` as the escape.
pub fn like_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in fold(text).chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// The text with the replacement character in place of each NUL, which PostgreSQL does not keep.
pub fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// One line that names something: trimmed, composed (NFC), 1 to `most` characters, no control characters.
pub fn name(field: &'static str, text: &str, most: usize) -> Result<String> {
    let text: String = text.trim().nfc().collect();
    if text.is_empty() {
        return Err(Error::invalid("A name is needed.").at(["input", field]));
    }
    limited(field, &text, most)?;
    if text.chars().any(char::is_control) {
        return Err(Error::invalid("Control characters and line breaks are not taken here.").at(["input", field]));
    }
    Ok(text)
}

/// Text of many lines, perhaps empty: composed (NFC), at most `most` characters, no NUL.
pub fn prose(field: &'static str, text: &str, most: usize) -> Result<String> {
    let text: String = text.nfc().collect();
    limited(field, &text, most)?;
    if text.contains('\0') {
        return Err(Error::invalid("The NUL character is not taken here.").at(["input", field]));
    }
    Ok(text)
}

fn limited(field: &'static str, text: &str, most: usize) -> Result<()> {
    let length = text.chars().count();
    if length > most {
        return Err(Error::invalid(format!("At most {most} characters; these are {length}.")).at(["input", field]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_knows_every_script() {
        assert_eq!(fold("STRASSE"), fold("Straße"));
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        assert_eq!(fold("ﬁle"), fold("FILE"));
        assert_eq!(like_pattern("50%_a\\"), "%50\\%\\_a\\\\%");
    }

    #[test]
    fn names_are_one_clean_line() {
        assert_eq!(name("name", "  Cafe\u{301} ", 10).unwrap(), "Café");
        for bad in ["", "   ", "a\nb", "a\0b", "12345678901"] {
            assert!(name("name", bad, 10).is_err(), "{bad:?}");
        }
        assert!(prose("prompt", "a\0", 10).is_err());
        assert_eq!(prose("prompt", "", 10).unwrap(), "");
    }
}
