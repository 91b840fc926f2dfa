//! Files in a request: the `Upload` scalar and where its bytes are.
//!
//! The transport takes a multipart body apart, hands each file to whoever keeps bytes, and puts what it got back into
//! the request's data under a random key. The variable that the client mapped to the file gets that key as its value.
//! So a key means something in one request only, and a client that writes one by hand names nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_graphql::{Context, ErrorExtensions, InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::error::Error;

/// A file sent with the request, as the GraphQL multipart request specification has it: a variable that is `null` in
/// `operations` and named in `map`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upload(String);

/// A file sent with the request, as the GraphQL multipart request specification has it: a variable that is `null` in
/// `operations` and named in `map`.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(key) => Ok(Self(key)),
            _ => Err(InputValueError::custom("a file comes in a multipart request, mapped to this variable")
                .with_extension("code", "BAD_USER_INPUT")),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

impl Upload {
    /// Takes what was kept of this file out of the request.
    ///
    /// The outer error is the request's fault: no such file came with it, or it was taken before. The inner one is this
    /// file's: it was refused while it was read (too large, of a kind that is not taken), and others may be well.
    pub fn take<S: Send + Sync + 'static>(&self, ctx: &Context<'_>) -> async_graphql::Result<Result<S, Error>> {
        ctx.data_opt::<Uploads<S>>().and_then(|uploads| uploads.take(&self.0)).ok_or_else(|| {
            async_graphql::Error::new("No such file came with this request, or it was used twice.")
                .extend_with(|_, extensions| extensions.set("code", "BAD_USER_INPUT"))
        })
    }
}

/// The files of one request, by key. `S` is what the keeper of bytes gave for each.
pub struct Uploads<S>(Mutex<HashMap<String, Result<S, Error>>>);

impl<S> Uploads<S> {
    /// The files of a request, each with what became of it.
    pub fn new(files: HashMap<String, Result<S, Error>>) -> Self {
        Self(Mutex::new(files))
    }

    fn take(&self, key: &str) -> Option<Result<S, Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}
