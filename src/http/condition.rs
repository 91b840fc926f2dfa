//! What a request wants of a content: all of it, a part, or nothing new. RFC 9110, sections 13 and 14.

use std::ops::RangeInclusive;

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, EntityTag, Header, IfMatch, IfNoneMatch, IfRange, Range},
    },
};

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All bytes.
    Whole,
    /// These bytes.
    Part(RangeInclusive<u64>),
    /// No bytes: there are none where the request looks for some.
    Nothing,
    /// No bytes: the client has them.
    NotModified,
    /// No bytes: the client means another content.
    Otherwise,
}

/// What the request wants of a content with this tag and size.
pub(super) fn wanted(request: &HttpRequest, tag: &EntityTag, size: u64) -> Wanted {
    let has = |name| request.headers().contains_key(name);
    if has(header::IF_MATCH) {
        let meant = match <IfMatch as Header>::parse(request) {
            Ok(IfMatch::Any) => true,
            Ok(IfMatch::Items(tags)) => tags.iter().any(|other| tag.strong_eq(other)),
            Err(_) => false,
        };
        if !meant {
            return Wanted::Otherwise;
        }
    }
    if is_known(request, tag) {
        return Wanted::NotModified;
    }
    // A part is asked for with GET, of the content that the client began to load.
    let same = !has(header::IF_RANGE)
        || matches!(<IfRange as Header>::parse(request), Ok(IfRange::EntityTag(other)) if tag.strong_eq(&other));
    if request.method() == Method::GET && same { part(request, size) } else { Wanted::Whole }
}

/// Whether the client says that it has the content of this tag.
pub(super) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    request.headers().contains_key(header::IF_NONE_MATCH)
        && match <IfNoneMatch as Header>::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| tag.weak_eq(other)),
            Err(_) => false,
        }
}

fn part(request: &HttpRequest, size: u64) -> Wanted {
    // What is not understood is not looked at, and nor are several parts at once: the whole is a right answer to them.
    let one = request.headers().get(header::RANGE).is_some_and(|value| !value.as_bytes().contains(&b','));
    match <Range as Header>::parse(request) {
        Ok(Range::Bytes(ranges)) if one => match ranges.first().map(|range| range.to_satisfiable_range(size)) {
            Some(Some((first, last))) => Wanted::Part(first..=last),
            Some(None) => Wanted::Nothing,
            None => Wanted::Whole,
        },
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn ask(headers: &[(&str, &str)]) -> Wanted {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header(*header);
        }
        wanted(&request.to_http_request(), &EntityTag::new_strong("new".into()), 10)
    }

    #[test]
    fn one_range_is_a_part_and_anything_odd_is_the_whole() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..=0)),
            ("bytes=3-", Wanted::Part(3..=9)),
            ("bytes=3-99", Wanted::Part(3..=9)),
            ("bytes=-4", Wanted::Part(6..=9)),
            ("bytes=-99", Wanted::Part(0..=9)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=0-1,x", Wanted::Whole),
            ("bytes=4-3", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("0-1", Wanted::Whole),
        ] {
            assert_eq!(ask(&[("range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn conditions_come_before_ranges() {
        let range = ("range", "bytes=0-0");
        let part = Wanted::Part(0..=0);
        for (condition, expected) in [
            (("if-match", "\"new\""), part.clone()),
            (("if-match", "*"), part.clone()),
            (("if-match", "\"old\", \"new\""), part.clone()),
            (("if-match", "\"old\""), Wanted::Otherwise),
            (("if-match", "W/\"new\""), Wanted::Otherwise),
            (("if-none-match", "W/\"new\""), Wanted::NotModified),
            (("if-none-match", "\"old\""), part.clone()),
            (("if-range", "\"new\""), part),
            (("if-range", "\"old\""), Wanted::Whole),
            (("if-range", "W/\"new\""), Wanted::Whole),
            (("if-range", "Wed, 21 Oct 2015 07:28:00 GMT"), Wanted::Whole),
        ] {
            assert_eq!(ask(&[range, condition]), expected, "{condition:?}");
        }
    }
}
