//! Every number of the transport, and which browsers and hosts it answers.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};

use crate::graphql::limits::DocumentLimits;

/// Every number of the transport.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What a document may cost before it is executed.
    pub document: DocumentLimits,
    /// Largest JSON body, and largest `operations` part, in bytes.
    pub body: usize,
    /// Largest single file, in bytes. A larger one is refused alone; the request goes on.
    pub file: u64,
    /// Most files in one request.
    pub files: usize,
    /// Largest multipart body, in bytes.
    pub multipart: u64,
    /// How long a JSON body may take to arrive, and how long a multipart body may pause on its way.
    pub body_pause: Duration,
    /// How long an operation may take. Subscriptions are exempt: they end when their source does.
    pub execution: Duration,
    /// How long a WebSocket may stay open without `connection_init`, and how long admission may take there.
    pub initial_wait: Duration,
    /// How long one message to a client may take before the client counts as gone.
    pub send: Duration,
    /// Between two pings of a WebSocket, and between two comments in an event stream.
    pub heartbeat: Duration,
    /// Pings without any sign of life after which a WebSocket is dropped.
    pub missed_heartbeats: u32,
    /// Largest frame from a WebSocket client, in bytes.
    pub frame: usize,
    /// Most operations running at once on one WebSocket.
    pub operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: DocumentLimits::default(),
            body: 1 << 20,
            file: 16 << 20,
            files: 20,
            multipart: 20 * (16 << 20) + (2 << 20),
            body_pause: Duration::from_secs(30),
            execution: Duration::from_secs(30),
            initial_wait: Duration::from_secs(5),
            send: Duration::from_secs(10),
            heartbeat: Duration::from_secs(12),
            missed_heartbeats: 3,
            frame: 1 << 20,
            operations: 100,
        }
    }
}

/// Which origins a browser may call from, and under which names this server answers.
///
/// A page of this server's own origin is always let in; that is judged by the `Host` header, so a server that is
/// reachable by browsers on its local network should say by [`only_hosts`](Self::only_hosts) what it is called.
/// Otherwise a foreign site can point a name of its own at it and count as the same origin.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
    this_machine: bool,
    no_others: bool,
    hosts: Option<Vec<String>>,
}

impl Origins {
    /// Besides the server's own, these origins, each as a browser sends it: `https://app.example.org`, no path.
    pub fn new(allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { allowed: allowed.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Lets in pages that this machine serves, at whatever port: a frontend in development.
    pub fn with_this_machine(mut self) -> Self {
        self.this_machine = true;
        self
    }

    /// Refuses pages that are not let in, instead of leaving it to their browser to keep the answer from them: where no token is
    /// needed, a page could do harm without hearing what came of it.
    pub fn without_others(mut self) -> Self {
        self.no_others = true;
        self
    }

    /// Answers only requests for these hosts. Each is a name for any port (`localhost`) or a name with one
    /// (`localhost:4000`).
    pub fn only_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Whether a page of the request's `Origin` may call; yes when there is none, for then it is no browser's page.
    pub(in crate::http) fn admits(&self, request: &HttpRequest) -> bool {
        let headers = request.headers();
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let Some(origin) = single(headers, &header::ORIGIN) else { return false };
        let own = origin.split_once("://").map(|(_, authority)| authority);
        own.is_some_and(|own| host(request).is_some_and(|host| host.eq_ignore_ascii_case(own)))
            || self.allowed.iter().any(|allowed| allowed == origin)
            || (self.this_machine && own.is_some_and(is_this_machine))
    }

    /// Says on the answer to a request whether the page that it comes from may read it, and which headers besides.
    pub(in crate::http) fn share(&self, request: &HttpRequest, answer: &mut HttpResponse, exposed: &'static str) {
        let headers = answer.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) =
            request.headers().get(header::ORIGIN).filter(|_| self.answers(request) && self.admits(request))
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        }
    }

    /// Whether the request is refused for the page that it comes from.
    pub(super) fn refuses(&self, request: &HttpRequest) -> bool {
        self.no_others && !self.admits(request)
    }

    /// Whether the request is for a host that this server answers for.
    pub(in crate::http) fn answers(&self, request: &HttpRequest) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let Some(asked) = host(request) else { return false };
        let name = match asked.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => asked,
        };
        hosts.iter().any(|host| host.eq_ignore_ascii_case(asked) || host.eq_ignore_ascii_case(name))
    }
}

/// Whether an authority is a name of this machine, with or without a port.
fn is_this_machine(authority: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].into_iter().any(|name| {
        let rest = authority.strip_prefix(name);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

/// The authority that the client asked for: the `Host` header, or with HTTP/2 the address's.
fn host(request: &HttpRequest) -> Option<&str> {
    single(request.headers(), &header::HOST)
        .or_else(|| request.uri().authority().map(actix_web::http::uri::Authority::as_str))
}

/// The header's value if it was sent once, in visible ASCII.
pub(in crate::http) fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name);
    let first = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(host: &str, origin: &str) -> HttpRequest {
        TestRequest::default()
            .insert_header((header::HOST, host))
            .insert_header((header::ORIGIN, origin))
            .to_http_request()
    }

    #[test]
    fn own_and_listed_origins_are_let_in() {
        let origins = Origins::new(["https://app.example"]);
        assert!(origins.admits(&asked("api.example:4000", "http://api.example:4000")));
        assert!(origins.admits(&asked("api.example", "https://app.example")));
        for foreign in ["https://app.example.evil", "http://app.example", "null", "https://app.example/"] {
            assert!(!origins.admits(&asked("api.example", foreign)), "{foreign}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_let_in_when_that_is_said() {
        let origins = Origins::default().with_this_machine();
        for good in ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:3000"] {
            assert!(origins.admits(&asked("localhost:4000", good)), "{good}");
            assert!(!Origins::default().admits(&asked("localhost:4000", good)), "{good}");
        }
        for foreign in ["http://localhost.evil", "http://localhost:evil", "http://evil#localhost", "null"] {
            assert!(!origins.admits(&asked("localhost:4000", foreign)), "{foreign}");
        }
    }

    #[test]
    fn a_host_is_named_with_or_without_its_port() {
        let origins = Origins::default().only_hosts(["localhost", "api.example:4000", "[::1]"]);
        for good in ["localhost", "LOCALHOST:9", "api.example:4000", "[::1]:4000", "[::1]"] {
            assert!(origins.answers(&asked(good, "")), "{good}");
        }
        for bad in ["evil.example", "api.example", "api.example:1", "localhost.evil:4000"] {
            assert!(!origins.answers(&asked(bad, "")), "{bad}");
        }
    }
}
