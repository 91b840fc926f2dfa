//! What the caller of a mutation can mend, as data beside its result.

use async_graphql::{Enum, Interface, Result, SimpleObject};
use chrono::{DateTime, Utc};

use super::object::Rows;
use crate::{
    concrete_types,
    error::{Detail, Error, Kind},
    model::uint53::UInt53,
};

/// Something that the caller can mend. Clients must accept types and codes that they do not know.
#[derive(Interface, Clone, Debug)]
#[graphql(
    field(name = "code", ty = "UserErrorCode", desc = "For programs."),
    field(name = "message", ty = "&String", desc = "For people: what is wrong and what to do."),
    field(name = "path", ty = "&Option<Vec<String>>", desc = "The input field at fault, outermost first.")
)]
pub enum UserError {
    /// A file was not taken.
    File(FileRefusedError),
    /// An idempotency key was used before with other input.
    Idempotency(IdempotencyConflictError),
    /// Anything else.
    Input(InputError),
    /// A timeline does not stand where the caller thought.
    Sequence(SequenceConflictError),
}

concrete_types!(UserError: File, Idempotency, Input, Sequence);

/// What kind of thing is wrong. More may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// The state is not what the caller thought: read again, then decide.
    Conflict,
    /// It was valid once.
    Expired,
    /// The file's size, name or content is not taken.
    FileRefused,
    /// The input breaks a rule.
    Invalid,
    /// The lease of the run is lost: another worker has it or may have it. Nothing more happens by it; the timeline says how far it
    /// came.
    LeaseLost,
    /// It is not there, or it is somebody else's.
    NotFound,
    /// The run has ended, and what has ended does not change.
    RunEnded,
}

/// A run's timeline does not stand where the caller thought. Nothing was appended.
#[derive(SimpleObject, Clone, Debug)]
pub struct SequenceConflictError {
    /// For programs.
    #[graphql(owned)]
    code: UserErrorCode,
    /// For people: what is wrong and what to do.
    message: String,
    /// The input field at fault, outermost first.
    path: Option<Vec<String>>,
    /// The sequence of the timeline's last event.
    last_sequence: UInt53,
}

/// The input or the state does not allow it.
#[derive(SimpleObject, Clone, Debug)]
pub struct InputError {
    /// For programs.
    #[graphql(owned)]
    code: UserErrorCode,
    /// For people: what is wrong and what to do.
    message: String,
    /// The input field at fault, outermost first.
    path: Option<Vec<String>>,
}

/// A file was not taken. Nothing of it was kept.
#[derive(SimpleObject, Clone, Debug)]
pub struct FileRefusedError {
    /// For programs.
    #[graphql(owned)]
    code: UserErrorCode,
    /// For people: what is wrong and what to do.
    message: String,
    /// The input field at fault, outermost first.
    path: Option<Vec<String>>,
    /// The endings of the file names that are taken.
    expected_formats: Vec<&'static str>,
    /// What the bytes look like, as a media type.
    detected_format: Option<String>,
}

/// The idempotency key was used before with other input.
#[derive(SimpleObject, Clone, Debug)]
pub struct IdempotencyConflictError {
    /// For programs.
    #[graphql(owned)]
    code: UserErrorCode,
    /// For people: what is wrong and what to do.
    message: String,
    /// The input field at fault, outermost first.
    path: Option<Vec<String>>,
    /// When the key was first used.
    first_request_at: DateTime<Utc>,
}

impl UserError {
    /// The error as data, if it is one that the caller can mend.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let message = error.message().to_owned();
        let path = (!error.path().is_empty()).then(|| error.path().iter().map(ToString::to_string).collect());
        let code = match (error.detail(), error.kind()) {
            (Some(Detail::File { expected, detected }), _) => {
                return Some(Self::File(FileRefusedError {
                    code: UserErrorCode::FileRefused,
                    message,
                    path,
                    expected_formats: expected.to_vec(),
                    detected_format: detected.clone(),
                }));
            }
            (Some(Detail::IdempotencyKey { first_request_at }), _) => {
                return Some(Self::Idempotency(IdempotencyConflictError {
                    code: UserErrorCode::Conflict,
                    message,
                    path,
                    first_request_at: *first_request_at,
                }));
            }
            (Some(Detail::Sequence { last }), _) => {
                let last_sequence = (*last).into();
                return Some(Self::Sequence(SequenceConflictError {
                    code: UserErrorCode::Conflict,
                    message,
                    path,
                    last_sequence,
                }));
            }
            (Some(Detail::LeaseLost), _) => UserErrorCode::LeaseLost,
            (Some(Detail::RunEnded), _) => UserErrorCode::RunEnded,
            (None, Kind::NotFound) => UserErrorCode::NotFound,
            (None, Kind::Conflict) => UserErrorCode::Conflict,
            (None, Kind::Invalid) => UserErrorCode::Invalid,
            (None, Kind::Expired) => UserErrorCode::Expired,
            (None, _) => return None,
        };
        Some(Self::Input(InputError { code, message, path }))
    }
}

/// A mutation's result, or what the caller can mend. What they cannot is an error of the answer.
pub(super) fn settle<T>(outcome: crate::error::Result<T>) -> Result<(Option<T>, Rows<UserError>)> {
    match outcome {
        Ok(value) => Ok((Some(value), Rows(Vec::new()))),
        Err(error) => match UserError::of(&error) {
            Some(mendable) => Ok((None, Rows(vec![mendable]))),
            None => Err(error.into()),
        },
    }
}
