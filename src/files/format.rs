//! Which uploads are taken, by their bytes and not by what the client says of them.

use file_format::FileFormat;
use serde::de::IgnoredAny;

use crate::error::{Detail, Error, Kind, Result};

/// The endings of the files that are taken.
pub const TAKEN: &[&str] = &["txt", "md", "csv", "json"];

/// The media type of a file that is taken; an error of kind `Invalid` with what was found instead for all others.
pub fn check(name: &str, bytes: &[u8]) -> Result<&'static str> {
    let refuse = |message: String, detected: Option<String>| {
        Err(Error::new(Kind::Invalid, message).with(Detail::File { expected: TAKEN, detected }))
    };
    if bytes.is_empty() {
        return refuse("The file is empty.".into(), None);
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let media_type = match ending.as_str() {
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "json" => "application/json",
        _ => {
            return refuse(
                format!("Files whose names end in .txt, .md, .csv or .json are taken; this one is `{name}`."),
                Some(detected(bytes)),
            );
        }
    };
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
        return refuse(
            "The name says that this is text, but the bytes are not text in UTF-8.".into(),
            Some(detected(bytes)),
        );
    }
    // Some programs begin JSON with a byte order mark, which readers may ignore (RFC 8259, section 8.1).
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if media_type == "application/json"
        && let Err(error) = serde_json::from_slice::<IgnoredAny>(unmarked)
    {
        return refuse(format!("The name says that this is JSON, but it is not: {error}."), Some("text/plain".into()));
    }
    Ok(media_type)
}

fn detected(bytes: &[u8]) -> String {
    FileFormat::from_bytes(bytes).media_type().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide() {
        assert_eq!(check("a.MD", b"# Hi").unwrap(), "text/markdown");
        assert_eq!(check("a.json", b"{\"a\": 1}").unwrap(), "application/json");
        let refused = |name, bytes: &[u8]| check(name, bytes).unwrap_err().detail().cloned();
        let file = |detected: Option<&str>| Some(Detail::File { expected: TAKEN, detected: detected.map(Into::into) });
        assert_eq!(refused("a.txt", b""), file(None));
        assert_eq!(refused("a.txt", b"%PDF-1.7\n\xff"), file(Some("application/pdf")));
        assert_eq!(refused("a.pdf", b"%PDF-1.7\n"), file(Some("application/pdf")));
        assert_eq!(refused("a.json", b"{"), file(Some("text/plain")));
        assert_eq!(refused("a", b"text"), file(Some("text/plain")));
    }
}
