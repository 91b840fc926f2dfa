//! From the parameters of a request to an operation that may be executed.

use actix_web::http::StatusCode;
use async_graphql::{Request, Variables, parser::types::OperationType};
use serde_json::{Map, Value};

use super::answer::Refusal;
use crate::{
    error::{Error, Result},
    graphql::limits::{self, DocumentLimits},
};

/// The four parameters of the GraphQL-over-HTTP specification, each of the right type.
pub(super) struct Params {
    query: String,
    operation_name: Option<String>,
    /// Open to the multipart reader, which puts keys of uploads in.
    pub(super) variables: Map<String, Value>,
    extensions: Option<Map<String, Value>>,
}

/// A request that passed the guards.
pub(super) struct Operation {
    /// The request, parsed.
    pub(super) request: Request,
    /// What would be executed. `Query` also where nothing can be: the engine then says why.
    pub(super) kind: OperationType,
}

impl Operation {
    /// What is asked, whoever asks: two operations with the same question get the same answers.
    pub(super) fn question(&self) -> Option<Vec<u8>> {
        let Request { query, operation_name, variables, .. } = &self.request;
        serde_json::to_vec(&(query, operation_name, variables)).ok()
    }
}

impl Params {
    /// From the JSON of a body, of an `operations` part, or of a `subscribe` message.
    pub(super) fn from_json(value: Value) -> Result<Self> {
        let Value::Object(mut fields) = value else {
            return Err(Error::invalid("The request must be a JSON object; batches are not taken."));
        };
        let mut take = |name| fields.remove(name).filter(|value| !value.is_null());
        let query = match take("query") {
            Some(Value::String(query)) => query,
            Some(_) => return Err(Error::invalid("The parameter `query` must be a string.")),
            None => return Err(Error::invalid("The parameter `query` is missing.")),
        };
        let operation_name = match take("operationName") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(Error::invalid("The parameter `operationName` must be a string.")),
        };
        let variables = map("variables", take("variables"))?.unwrap_or_default();
        Ok(Self { query, operation_name, variables, extensions: map("extensions", take("extensions"))? })
    }

    /// From the query string of a GET.
    pub(super) fn from_query_string(text: &str) -> Result<Self> {
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(text);
        let pairs = pairs.map_err(|_| Error::invalid("The query string cannot be read."))?.into_inner();
        let mut fields = Map::new();
        for (name, text) in pairs {
            let value = match name.as_str() {
                "variables" | "extensions" if text.is_empty() => Value::Null,
                "variables" | "extensions" => serde_json::from_str(&text)
                    .map_err(|_| Error::invalid(format!("The parameter `{name}` must be JSON.")))?,
                _ => Value::String(text),
            };
            if fields.insert(name, value).is_some() {
                return Err(Error::invalid("A parameter was given twice."));
            }
        }
        Self::from_json(Value::Object(fields))
    }

    /// Runs the guards. What the parser or the engine refuses passes: the engine words those errors.
    pub(super) fn check(&self, limits: &DocumentLimits) -> Result<(), Refusal> {
        self.parse(limits).map(|_| ())
    }

    /// Runs the guards and makes the request.
    pub(super) fn into_operation(self, limits: &DocumentLimits) -> Result<Operation, Refusal> {
        let (mut request, kind) = self.parse(limits)?;
        if let Some(name) = self.operation_name {
            request = request.operation_name(name);
        }
        request.variables = Variables::from_json(Value::Object(self.variables));
        if let Some(extensions) = self.extensions {
            request.extensions = serde_json::from_value(Value::Object(extensions))
                .map_err(|error| Error::invalid("The parameter `extensions` cannot be read.").because(error))?;
        }
        Ok(Operation { request, kind })
    }

    fn parse(&self, limits: &DocumentLimits) -> Result<(Request, OperationType), Refusal> {
        if !limits::fits(&self.query, limits) {
            let message = format!("The document is longer than {} bytes.", limits.bytes);
            return Err(Refusal::bad(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        limits::check_text(&self.query, limits)?;
        let mut request = Request::new(&self.query);
        let Ok(document) = request.parsed_query() else { return Ok((request, OperationType::Query)) };
        limits::check_document(document, limits)?;
        let mut operations = document.operations.iter();
        let chosen = match &self.operation_name {
            Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name == wanted)),
            None => operations.next(),
        };
        let kind = chosen.map_or(OperationType::Query, |(_, operation)| operation.node.ty);
        Ok((request, kind))
    }
}

fn map(name: &str, value: Option<Value>) -> Result<Option<Map<String, Value>>> {
    match value {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(Error::invalid(format!("The parameter `{name}` must be a map."))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_of_a_wrong_type_are_refused() {
        for bad in [
            json!([{ "query": "{ a }" }]),
            json!({}),
            json!({ "query": 1 }),
            json!({ "query": "{ a }", "variables": "x" }),
            json!({ "query": "{ a }", "operationName": 1 }),
            json!({ "query": "{ a }", "extensions": [] }),
        ] {
            assert!(Params::from_json(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_named_operation_decides_the_kind() {
        let kind = |name: &str| {
            let query = "query A { a } mutation B { b }";
            let params = Params::from_json(json!({ "query": query, "operationName": name })).expect("parameters");
            params.into_operation(&DocumentLimits::default()).map(|operation| operation.kind).ok()
        };
        assert_eq!(kind("A"), Some(OperationType::Query));
        assert_eq!(kind("B"), Some(OperationType::Mutation));
    }

    #[test]
    fn a_question_is_the_document_the_name_and_the_variables() {
        let question = |name: &str, variables: Value| {
            let query = "subscription A($v: Int) { a(v: $v) } subscription B($v: Int) { a(v: $v) }";
            let body = json!({ "query": query, "operationName": name, "variables": variables });
            let params = Params::from_json(body).expect("parameters");
            params.into_operation(&DocumentLimits::default()).ok().expect("an operation").question()
        };
        let asked = question("A", json!({ "v": 1 }));
        assert!(asked.is_some());
        assert_eq!(asked, question("A", json!({ "v": 1 })));
        assert_ne!(asked, question("B", json!({ "v": 1 })));
        assert_ne!(asked, question("A", json!({ "v": 2 })));
    }

    #[test]
    fn a_query_string_gives_each_parameter_once() {
        assert!(Params::from_query_string("query=%7Ba%7D&variables=%7B%22a%22%3A1%7D").is_ok());
        assert!(Params::from_query_string("query=%7Ba%7D&query=%7Bb%7D").is_err());
        assert!(Params::from_query_string("query=%7Ba%7D&variables=x").is_err());
    }
}
