//! The schema's habits, found by walking the schema itself, so that a new type or field falls under them on its first day.

use async_graphql::{Request, Variables};
use serde_json::Value;

/// Everything that there is to know about the schema, as a client asks for it.
const INTROSPECTION: &str = "{ __schema { types { kind name description
    fields { name description type { ...T } args { name description defaultValue type { ...T } } }
    inputFields { name description defaultValue type { ...T } }
    interfaces { name }
    enumValues { name description } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema's own types, without those of introspection.
pub async fn types() -> Vec<Value> {
    let schema = workroom::graphql::schema().finish();
    let answer = serde_json::to_value(schema.execute(INTROSPECTION).await).expect("JSON");
    let types = answer["data"]["__schema"]["types"].as_array().unwrap_or_else(|| panic!("{answer:#}")).clone();
    assert!(types.len() > 30, "this is not the whole schema");
    types.into_iter().filter(|kind| !name(kind).starts_with("__")).collect()
}

/// The name of a type, a field, an argument.
pub fn name(thing: &Value) -> &str {
    thing["name"].as_str().unwrap_or_default()
}

/// The items of a list that may be null.
pub fn list<'v>(thing: &'v Value, key: &str) -> &'v [Value] {
    thing[key].as_array().map_or(&[], Vec::as_slice)
}

/// The type behind lists and non-nulls, with its kind.
pub fn named(kind: &Value) -> (&str, &str) {
    if kind["ofType"].is_object() { named(&kind["ofType"]) } else { (name(kind), kind["kind"].as_str().unwrap_or("")) }
}

/// A type as the schema definition language writes it.
fn written(kind: &Value) -> String {
    match kind["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&kind["ofType"])),
        Some("LIST") => format!("[{}]", written(&kind["ofType"])),
        _ => name(kind).to_owned(),
    }
}

/// Every field of every object and interface, as (type, field).
fn fields(types: &[Value]) -> impl Iterator<Item = (&Value, &Value)> {
    types.iter().flat_map(|kind| list(kind, "fields").iter().map(move |field| (kind, field)))
}

fn none(faults: Vec<String>, what: &str) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

#[test]
fn the_schema_file_is_what_the_server_says() {
    let file = include_str!("../schema.graphql");
    let sdl = workroom::graphql::sdl();
    let differs = file.lines().zip(sdl.lines()).enumerate().find(|(_, (old, new))| old != new);
    assert!(
        file == sdl,
        "`workroom schema > schema.graphql` brings the file up to date. First difference: {differs:?}"
    );
}

#[tokio::test]
async fn everything_is_described() {
    let mut silent = Vec::new();
    let mut look = |place: String, thing: &Value| {
        let text = thing["description"].as_str().unwrap_or_default();
        if text.trim().len() < 4 {
            silent.push(format!("{place} has no description"));
        } else if text.starts_with("Implement ") {
            silent.push(format!("{place} speaks of its making, not of what it is: {text}"));
        }
    };
    let built_in = ["Boolean", "Float", "ID", "Int", "String"];
    for kind in types().await.iter().filter(|kind| !built_in.contains(&name(kind))) {
        look(name(kind).to_owned(), kind);
        for field in list(kind, "fields").iter().chain(list(kind, "inputFields")).chain(list(kind, "enumValues")) {
            let place = format!("{}.{}", name(kind), name(field));
            look(place.clone(), field);
            for argument in list(field, "args") {
                look(format!("{place}({})", name(argument)), argument);
            }
        }
    }
    none(silent, "the schema is its own manual, so");
}

#[tokio::test]
async fn connections_have_the_same_shape_everywhere() {
    let types = types().await;
    let mut faults = Vec::new();
    let connections: Vec<_> = types.iter().filter(|kind| name(kind).ends_with("Connection")).collect();
    assert!(connections.len() >= 5);
    for connection in connections {
        let node = name(connection).trim_end_matches("Connection");
        let shape: Vec<_> = list(connection, "fields")
            .iter()
            .map(|field| format!("{}: {}", name(field), written(&field["type"])))
            .collect();
        let wanted = [
            format!("edges: [{node}Edge!]!"),
            format!("nodes: [{node}!]!"),
            "pageInfo: PageInfo!".into(),
            "totalCount: UInt53!".into(),
        ];
        if shape != wanted {
            faults.push(format!("{}: {shape:?}", name(connection)));
        }
    }
    for (kind, field) in fields(&types) {
        let arguments: Vec<_> = list(field, "args").iter().map(name).collect();
        if named(&field["type"]).0.ends_with("Connection")
            && !(arguments.contains(&"first") && arguments.contains(&"after"))
        {
            faults.push(format!("{}.{} cannot be paged", name(kind), name(field)));
        }
    }
    none(faults, "a connection has edges, nodes, pageInfo and totalCount, and is paged by first and after");
}

/// A document that reaches a connection's field and asks for a page of `size` through `argument`.
fn reaching(kind: &Value, field: &Value, types: &[Value], argument: &str, size: u32) -> String {
    let mut arguments = vec![format!("{argument}: {size}")];
    for needed in list(field, "args").iter().filter(|needed| needed["type"]["kind"] == "NON_NULL") {
        if !needed["defaultValue"].is_null() {
            continue;
        }
        let (of, _) = named(&needed["type"]);
        let values = types.iter().find(|kind| name(kind) == of).map_or(&[][..], |kind| list(kind, "enumValues"));
        let value = values.first().map_or("\"x\"", name);
        arguments.push(format!("{}: {value}", name(needed)));
    }
    let field = format!("{}({}) {{ nodes {{ __typename }} }}", name(field), arguments.join(", "));
    match name(kind) {
        "Query" => format!("{{ {field} }}"),
        object => format!("{{ node(id: \"project_01h455vb4pex5vsknk084sn02q\") {{ ... on {object} {{ {field} }} }} }}"),
    }
}

/// Whether the engine refuses the document for what it would cost. There is no house behind the schema, so a document that is
/// let through fails otherwise.
async fn is_too_costly(document: &str) -> bool {
    let schema = workroom::graphql::schema().finish();
    let answer = schema.execute(Request::new(document).variables(Variables::default())).await;
    answer.errors.iter().any(|error| error.message.contains("too complex"))
}

#[tokio::test]
async fn every_connection_costs_what_its_page_holds() {
    let types = types().await;
    let mut faults = Vec::new();
    let mut seen = 0;
    for (kind, field) in fields(&types).filter(|(_, field)| named(&field["type"]).0.ends_with("Connection")) {
        for argument in list(field, "args").iter().map(name).filter(|name| ["first", "last"].contains(name)) {
            seen += 1;
            let (small, large) =
                (reaching(kind, field, &types, argument, 10), reaching(kind, field, &types, argument, 100_000));
            if is_too_costly(&small).await || !is_too_costly(&large).await {
                faults.push(format!("{}.{}({argument})", name(kind), name(field)));
            }
        }
    }
    assert!(seen >= 12, "only {seen} connections were found");
    none(faults, "the cost of these does not grow with the page");
}

#[tokio::test]
async fn pages_of_pages_are_refused_before_any_work() {
    let nested = "{ projects(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }";
    assert!(is_too_costly(nested).await);
    assert!(
        !is_too_costly("{ projects(first: 50) { nodes { id name runs(first: 10) { nodes { id status } } } } }").await
    );
    let ids = vec!["\"run_01h455vb4pex5vsknk084sn02q\""; 101].join(",");
    let many =
        format!("{{ nodes(ids: [{ids}]) {{ ... on Run {{ reruns(first: 50) {{ nodes {{ id number }} }} }} }} }}");
    assert!(is_too_costly(&many).await);
}

#[tokio::test]
async fn no_answer_holds_a_number_that_could_outgrow_32_bits() {
    let types = types().await;
    let narrow = fields(&types).filter(|(_, field)| named(&field["type"]).0 == "Int");
    let faults = narrow.map(|(kind, field)| format!("{}.{}", name(kind), name(field))).collect();
    none(faults, "counts, sizes and durations are `UInt53`");
}

#[tokio::test]
async fn mutations_take_one_input_and_say_what_can_be_mended() {
    let types = types().await;
    let mut faults = Vec::new();
    let mutation = types.iter().find(|kind| name(kind) == "Mutation").expect("a mutation root");
    for field in list(mutation, "fields") {
        let title = format!("{}{}", name(field)[..1].to_uppercase(), &name(field)[1..]);
        let arguments: Vec<_> = list(field, "args")
            .iter()
            .map(|argument| format!("{}: {}", name(argument), written(&argument["type"])))
            .collect();
        // There is nothing to say about a logout: it is the viewer's own, with the token that was presented.
        let expected = if name(field) == "logout" { Vec::new() } else { vec![format!("input: {title}Input!")] };
        if arguments != expected {
            faults.push(format!("{} takes {arguments:?}", name(field)));
        }
        let payload = types.iter().find(|kind| name(kind) == format!("{title}Payload"));
        let errors =
            payload.and_then(|payload| list(payload, "fields").iter().find(|field| name(field) == "userErrors"));
        let errors = errors.map(|errors| written(&errors["type"]));
        if written(&field["type"]) != format!("{title}Payload!") || errors.as_deref() != Some("[UserError!]!") {
            faults.push(format!("{} answers {} with {errors:?}", name(field), written(&field["type"])));
        }
    }
    none(faults, "a mutation takes `input: …Input!` and answers `…Payload!` with `userErrors: [UserError!]!`");
}

#[tokio::test]
async fn enum_values_are_in_alphabetical_order() {
    let types = types().await;
    let unsorted = types.iter().filter(|kind| !list(kind, "enumValues").is_sorted_by_key(name));
    none(unsorted.map(|kind| name(kind).to_owned()).collect(), "people look values up by the alphabet");
}

#[tokio::test]
async fn whatever_has_an_edge_of_its_own_can_be_fetched_again() {
    let types = types().await;
    let mut faults = Vec::new();
    for edge in types.iter().filter(|kind| name(kind).ends_with("Edge")) {
        let node = name(edge).trim_end_matches("Edge");
        let kind = types.iter().find(|kind| name(kind) == node).unwrap_or_else(|| panic!("{node} is a type"));
        let is_node = list(kind, "interfaces").iter().any(|interface| name(interface) == "Node");
        // An event is part of its run and is fetched through it. Of a directory's entries the files are nodes; a directory is implied
        // by their paths. What admins see is no way on to anything, so no `node` either.
        if !is_node && !["RunEvent", "FileEntry", "AdminAction", "AdminSession"].contains(&node) {
            faults.push(node.to_owned());
        }
    }
    none(faults, "these are listed but are no `Node`");
}
