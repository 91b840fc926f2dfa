//! Which form of answer the client takes.

use actix_web::http::header::{self, HeaderMap};

/// A form of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status code tells whether the request was executed.
    GraphQl,
    /// `application/json`, the older form: a well-formed request is answered with 200, whatever became of it.
    Json,
    /// `text/event-stream`: every result an event.
    EventStream,
}

impl Media {
    /// The content type of an answer in one piece. Errors before an event stream begins are plain JSON.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::EventStream => "application/json; charset=utf-8",
        }
    }
}

/// The form that the client likes best of ours, JSON when it does not say, `None` when it takes none of ours.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Media> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(Media::Json);
    }
    let accepts = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let mut best: Option<(f32, Media)> = None;
    for range in accepts.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "application/graphql-response+json" => Media::GraphQl,
            "application/json" | "application/*" | "*/*" => Media::Json,
            "text/event-stream" => Media::EventStream,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        if weight > 0.0 && best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, media));
        }
    }
    best.map(|(_, media)| media)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn accepting(accept: &'static str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        negotiate(&headers)
    }

    #[test]
    fn the_heaviest_of_ours_wins_and_the_first_of_equals() {
        assert_eq!(negotiate(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(accepting("application/graphql-response+json, application/json"), Some(Media::GraphQl));
        assert_eq!(accepting("application/json;q=0.4, application/graphql-response+json;q=0.9"), Some(Media::GraphQl));
        assert_eq!(accepting("text/html, */*;q=0.1"), Some(Media::Json));
        assert_eq!(accepting("text/event-stream"), Some(Media::EventStream));
        assert_eq!(accepting("application/json;q=0"), None);
        assert_eq!(accepting("text/html"), None);
    }
}
