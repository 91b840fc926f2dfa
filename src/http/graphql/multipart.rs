//! The GraphQL multipart request specification: files beside the operation, in one body.
//!
//! The parts come in this order: `operations` (the parameters, with `null` where a file belongs), `map` (which file
//! belongs to which variable), then the files. Each file goes to [`Gate::stage`] as it arrives and is never held whole.
//! What the gate answers for it, well or not, waits in the request's data for the resolver that takes it.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_web::{http::StatusCode, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream::poll_fn};
use multer::Multipart;
use serde_json::{Map, Value};

use super::{
    answer::Refusal,
    body::{self, Cut},
    gate::{Gate, UploadPart},
    request::{Operation, Params},
    settings::Limits,
};
use crate::{
    error::{Error, Result},
    graphql::upload::Uploads,
};

/// Most bytes that may come without anything coming of them. Headers of a part are far shorter; without a bound the
/// reader of parts would gather a body of nothing but headers, and search it anew with every chunk.
const UNCLAIMED: usize = 256 << 10;

/// Reads the whole body, stages its files, and makes the operation.
pub(super) async fn receive<G: Gate>(
    gate: &G,
    limits: &Limits,
    boundary: &str,
    payload: web::Payload,
) -> Result<Operation, Refusal> {
    let mut piped = body::pipe(payload, limits.multipart, limits.body_pause);
    let cut = Arc::clone(&piped.cut);
    let unclaimed = Arc::new(AtomicUsize::new(0));
    let coming = Arc::clone(&unclaimed);
    let chunks = poll_fn(move |cx| piped.chunks.poll_recv(cx)).map(move |chunk: Bytes| {
        let before = coming.fetch_add(chunk.len(), Ordering::Relaxed);
        if before > UNCLAIMED { Err(Error::invalid("The headers of a part are too long.")) } else { Ok(chunk) }
    });
    let received = read(gate, limits, Parts { multipart: Multipart::new(chunks, boundary), unclaimed }).await;
    // A body that was cut looks to the reader of parts like one that is malformed.
    match cut.get() {
        Some(cut) => Err((*cut).into()),
        None => received,
    }
}

async fn read<G: Gate>(gate: &G, limits: &Limits, mut parts: Parts) -> Result<Operation, Refusal> {
    let operations = text_part(&mut parts, "operations", limits.body).await?;
    let mut params = Params::from_json(operations)?;
    params.check(&limits.document)?;
    let Value::Object(map) = text_part(&mut parts, "map", limits.body).await? else {
        return Err(bad("The part `map` must be a JSON object."));
    };
    if map.len() > limits.files {
        let message = format!("At most {} files are taken in one request.", limits.files);
        return Err(Refusal::bad(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let mut keys = assign(map, &mut params.variables)?;
    let mut files = HashMap::new();
    while let Some(mut field) = parts.next().await? {
        let key = field.part.name().and_then(|name| keys.remove(name));
        let key = key.ok_or_else(|| bad("A file is not named in `map`, or came twice."))?;
        files.insert(key, gate.stage(UploadPart::new(&mut field, limits.file)).await);
        // What the gate left unread is not kept.
        while field.chunk().await?.is_some() {}
    }
    if !keys.is_empty() {
        return Err(bad("A file that `map` names did not come."));
    }
    let mut operation = params.into_operation(&limits.document)?;
    operation.request.data.insert(Uploads::new(files));
    Ok(operation)
}

fn bad(message: &'static str) -> Refusal {
    Refusal::bad(StatusCode::BAD_REQUEST, message)
}

/// The parts of a body, one after the other.
struct Parts {
    multipart: Multipart<'static>,
    /// Bytes that came since the last that were part of something.
    unclaimed: Arc<AtomicUsize>,
}

impl Parts {
    async fn next(&mut self) -> Result<Option<Field>> {
        let part = self.multipart.next_field().await.map_err(malformed)?;
        self.unclaimed.store(0, Ordering::Relaxed);
        Ok(part.map(|part| Field { part, unclaimed: Arc::clone(&self.unclaimed) }))
    }
}

/// One part.
pub(super) struct Field {
    /// Its headers.
    pub(super) part: multer::Field<'static>,
    unclaimed: Arc<AtomicUsize>,
}

impl Field {
    /// What the client calls the file. Browsers write the name in UTF-8; some libraries write one that is not plain ASCII as
    /// `filename*`, which the reader of parts does not know.
    pub(super) fn file_name(&self) -> Option<Cow<'_, str>> {
        if let Some(plain) = self.part.file_name() {
            return Some(plain.into());
        }
        let header = self.part.headers().get("content-disposition")?.to_str().ok()?;
        let (_, extended) = header.split_once("filename*=")?;
        let (charset, encoded) = extended.split(';').next()?.trim().trim_matches('"').split_once("''")?;
        if !charset.eq_ignore_ascii_case("utf-8") {
            return None;
        }
        percent_decoded(encoded).map(Cow::Owned)
    }

    /// The next bytes, `None` at the end. `Invalid` when the body breaks off.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.part.chunk().await.map_err(malformed)?;
        self.unclaimed.store(0, Ordering::Relaxed);
        Ok(chunk)
    }
}

/// The text behind `%41`, if it is one in UTF-8.
fn percent_decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            bytes.extend(hex::decode(after.get(..2)?).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn malformed(error: multer::Error) -> Error {
    Error::invalid("The multipart body is malformed or breaks off.").because(error)
}

/// The next part, which must have this name and hold JSON.
async fn text_part(parts: &mut Parts, name: &'static str, limit: usize) -> Result<Value, Refusal> {
    let order = || bad("The parts must be `operations`, then `map`, then the files.");
    let mut field = parts.next().await?.filter(|field| field.part.name() == Some(name)).ok_or_else(order)?;
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await? {
        if text.len() + chunk.len() > limit {
            return Err(Cut::TooLarge.into());
        }
        text.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&text).map_err(|_| Error::invalid(format!("The part `{name}` must be JSON.")).into())
}

/// Puts a fresh key into the variable of each file, and tells which file has which key.
fn assign(map: Map<String, Value>, variables: &mut Map<String, Value>) -> Result<HashMap<String, String>> {
    let mut keys = HashMap::new();
    for (file, paths) in map {
        let Value::Array(paths) = paths else {
            return Err(Error::invalid("Each entry of `map` must be a list of paths."));
        };
        let [Value::String(path)] = paths.as_slice() else {
            return Err(Error::invalid("Each file must be mapped to exactly one variable."));
        };
        let place = place(variables, path).filter(|place| place.is_null());
        let place = place.ok_or_else(|| Error::invalid("`map` names a variable that is not there, or is not null."))?;
        let key = random_key()?;
        *place = Value::String(key.clone());
        keys.insert(file, key);
    }
    Ok(keys)
}

/// The value at a path such as `variables.input.files.0`.
fn place<'a>(variables: &'a mut Map<String, Value>, path: &str) -> Option<&'a mut Value> {
    let mut names = path.strip_prefix("variables.")?.split('.');
    let first = variables.get_mut(names.next()?)?;
    names.try_fold(first, |value, name| match value {
        Value::Object(fields) => fields.get_mut(name),
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A key that nobody can guess: 128 random bits in hexadecimal.
fn random_key() -> Result<String> {
    let mut bits = [0u8; 16];
    getrandom::fill(&mut bits).map_err(Error::internal)?;
    Ok(hex::encode(bits))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assigned(map: Value, variables: Value) -> Result<Value> {
        let (Value::Object(map), Value::Object(mut variables)) = (map, variables) else { panic!("objects") };
        assign(map, &mut variables)?;
        Ok(Value::Object(variables))
    }

    #[test]
    fn a_file_takes_the_place_of_a_null_at_any_depth() {
        let variables =
            assigned(json!({ "0": ["variables.input.files.1"] }), json!({ "input": { "files": [1, null] } }));
        let variables = variables.expect("assigned");
        assert!(variables["input"]["files"][1].is_string() && variables["input"]["files"][0] == 1);
    }

    #[test]
    fn names_are_percent_decoded() {
        assert_eq!(percent_decoded("na%C3%AFve%20a").as_deref(), Some("naïve a"));
        for bad in ["%", "%4", "%zz", "%ff", "a%"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_has_one_variable_and_a_variable_one_file() {
        for map in [
            json!({ "0": ["variables.f", "variables.g"] }),
            json!({ "0": [] }),
            json!({ "0": "variables.f" }),
            json!({ "0": ["variables.f"], "1": ["variables.f"] }),
            json!({ "0": ["variables.h"] }),
            json!({ "0": ["variables.f.0"] }),
            json!({ "0": ["query"] }),
            json!({ "0": ["variables.full"] }),
        ] {
            assert!(assigned(map.clone(), json!({ "f": null, "g": null, "full": "x" })).is_err(), "{map}");
        }
    }
}
