//! What can go wrong, in words that know no transport.
//!
//! One type for the whole house. Its [`message`](Error::message) is written for the caller and says what to do; its
//! source is for the log and never leaves the process. `graphql` turns what a caller can mend into `userErrors` and the
//! rest into errors with a code; `http` turns the same kinds into status codes.

use std::{borrow::Cow, fmt, io, sync::Arc};

use chrono::{DateTime, Utc};

/// What a caller reads when the disk is full.
pub const NO_SPACE: &str = "There is no space left where this server keeps its data. Try again when there is some.";
/// What a caller reads when the disk takes no changes.
pub const READ_ONLY: &str =
    "What this server keeps its data on is read-only just now. Try again when it can be written.";

/// The result of anything in the house that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure, by what the caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is not there, or it is somebody else's; which of the two is never told.
    NotFound,
    /// It is there, but not as the caller thought: read again and decide.
    Conflict,
    /// The input breaks a rule; the message names the rule.
    Invalid,
    /// The caller is unknown (no token, or none that is known).
    Unauthenticated,
    /// The caller is known and may not do this.
    Denied,
    /// It was valid once: a token, an address, a lease.
    Expired,
    /// Too much at once: try again later.
    Busy,
    /// It took too long and was stopped.
    Timeout,
    /// Something that we stand on is away (a database, a disk): try again later.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// Facts beside the message that help a program to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The idempotency key was used before with other input.
    IdempotencyKey {
        /// When the key was first used.
        first_request_at: DateTime<Utc>,
    },
    /// A file was not taken.
    File {
        /// The formats that are taken, as file name endings.
        expected: &'static [&'static str],
        /// What the bytes look like, as a media type.
        detected: Option<String>,
    },
    /// The lease of a run is lost: what its holder wanted did not happen.
    LeaseLost,
    /// The run has ended, and what has ended does not change.
    RunEnded,
    /// A timeline does not stand where the caller thought.
    Sequence {
        /// The sequence of its last event.
        last: u64,
    },
}

/// Something that went wrong.
#[derive(Clone)]
pub struct Error {
    kind: Kind,
    message: Cow<'static, str>,
    path: Vec<Cow<'static, str>>,
    detail: Option<Detail>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind, with a message for the caller.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), path: Vec::new(), detail: None, source: None }
    }

    /// `what` does not exist for this caller. Foreign and invented ids give the same words.
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, format!("There is no such {what}."))
    }

    /// The input breaks a rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// The state is not what the caller thought.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// A fault of ours: the caller is told that there was one, the log is told which.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "Something went wrong here. It has been logged.").because(source)
    }

    /// Something that we stand on is away. A caller cannot mend that, but is told what whoever runs the server can.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        let message = match io_kind(source.as_ref()) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => NO_SPACE,
            Some(io::ErrorKind::ReadOnlyFilesystem) => READ_ONLY,
            _ => "A part that this needs is away just now. Try again.",
        };
        Self::new(Kind::Unavailable, message).because(source)
    }

    /// Names the input field that is at fault, outermost first.
    pub fn at<P: Into<Cow<'static, str>>>(mut self, path: impl IntoIterator<Item = P>) -> Self {
        self.path = path.into_iter().map(Into::into).collect();
        self
    }

    /// Adds facts for a program.
    pub fn with(mut self, detail: Detail) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Adds the cause, for the log.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is for want of space.
    pub fn lacks_space(&self) -> bool {
        self.message == NO_SPACE
    }

    /// What the caller may read.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The input field at fault, outermost first; empty when it is none in particular.
    pub fn path(&self) -> &[Cow<'static, str>] {
        &self.path
    }

    /// Facts for a program.
    pub fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }

    /// The cause, for the log.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.source.as_deref()
    }
}

/// What the system said, if that is what is behind an error.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        let mut source = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
