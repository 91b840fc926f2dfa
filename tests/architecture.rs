//! The house is as its map says: `src/lib.rs` has the table of who may import whom, and these tests compare it with the code.
//! What a rule forbids is named with its file and line.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use self::source::{Source, sources, word};

/// The table of `src/lib.rs`: what each room may import, and `None` where that is everything.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let map = include_str!("../src/lib.rs");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let table: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_end_matches('|').split('|').collect();
            let [room, what, imports] = cells[..] else { panic!("a row of three cells: {row}") };
            assert!(what.trim().len() > 20, "{room} says what is in it");
            let names = imports.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (word(room).expect("a name"), (imports.trim() != "everything").then_some(names))
        })
        .collect();
    assert!(table.len() >= 10, "the table is in the crate's documentation");
    table
}

/// What is forbidden in these sources, by the table.
fn trespasses(sources: &[Source]) -> Vec<String> {
    let table = table();
    let mut found = Vec::new();
    for source in sources {
        let Some(allowed) = table.get(&source.room) else { continue };
        for (line, import) in source.imports() {
            let is_allowed = allowed.as_ref().is_none_or(|allowed| allowed.contains(&import));
            if table.contains_key(&import) && import != source.room && !is_allowed {
                found.push(format!("{}:{line}: `{}` may not import `{import}`", source.path, source.room));
            }
        }
    }
    found
}

fn none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}\n{}", faults.join("\n"));
}

#[test]
fn rooms_import_only_what_the_map_allows() {
    none(&trespasses(&sources()), "the table is in src/lib.rs; change it in the commit that needs it, with a reason");
    let planted = |path: &str, code: &str| {
        let room = word(path.trim_start_matches("src/")).expect("a name");
        Source { path: path.into(), room, text: code.into(), code: code.into() }
    };
    let bad = [
        planted("src/store/run.rs", "\nuse crate::{error::Error, files::{Files, stage}};"),
        planted("src/files/mod.rs", "use super::store::Store;"),
        planted("src/graphql/run.rs", "fn f() { super::super::worker::work() }"),
        planted("src/graphql/run.rs", "use super::{access::Access, app};"),
    ];
    let expected = [
        "src/store/run.rs:2: `store` may not import `files`",
        "src/files/mod.rs:1: `files` may not import `store`",
        "src/graphql/run.rs:1: `graphql` may not import `worker`",
    ];
    assert_eq!(trespasses(&bad), expected);
}

#[test]
fn the_map_names_every_room_and_no_other() {
    let modules: BTreeSet<String> =
        include_str!("../src/lib.rs").lines().filter_map(|line| word(line.strip_prefix("pub mod ")?)).collect();
    assert_eq!(table().into_keys().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn the_map_allows_nothing_that_nobody_uses() {
    let sources = sources();
    let mut idle = Vec::new();
    for (room, allowed) in table() {
        let used: BTreeSet<String> = sources
            .iter()
            .filter(|source| source.room == room)
            .flat_map(|source| source.imports().into_iter().map(|(_, import)| import))
            .collect();
        idle.extend(
            allowed.iter().flatten().filter(|name| !used.contains(*name)).map(|name| format!("{room}: {name}")),
        );
    }
    none(&idle, "a door that nobody uses is walled up: take it from the table in src/lib.rs");
}

/// What only some may write, where they are, and why.
const RESERVED: &[(&[&str], &[&str], &str)] = &[
    (
        &["Viewer::authenticated("],
        &["src/app/access.rs", "src/app/work.rs"],
        "who asks is proved by a token, by a signed address, or by the lease of a run, whose owner the desk acts for",
    ),
    (&["ProjectScope::owned("], &["src/app/mod.rs"], "one function opens projects"),
    (
        &["RunLease::granted(", "Self::granted("],
        &["src/store/lease.rs", "src/app/outside/token.rs"],
        "a lease comes from the row that was claimed, or from a token that was sealed when it was",
    ),
    (&["OutsideWorker::of("], &["src/app/access.rs"], "one function admits workers from elsewhere"),
    (&["Admin::of("], &["src/app/admin.rs"], "one function admits admins"),
    (
        &["Sweep::new(", "Sweep::default("],
        &["src/worker/chores.rs", "src/app/activity.rs"],
        "only the reapers look across projects, and the one reader that tells each watcher what concerns it",
    ),
    (&["Inspection::of("], &["src/app/integrity.rs"], "who asks whether a run is what it was sees that of their own"),
    (
        &["Inspection::of_everything("],
        &["src/cli/verify.rs"],
        "whoever runs the server checks everything, at its command line",
    ),
    (&["Utc::now(", "Uuid::now_v7(", "SystemTime::now("], &["src/clock.rs"], "times and ids come from `clock`"),
    (&["std::env", "env::var", "env = \""], &["src/config.rs"], "settings are read once, by `config`"),
    (
        &["sqlx::query", "query_as::", "query_scalar::", "raw_sql(", "QueryBuilder", "sql!("],
        &["src/store/"],
        "queries are in `store`, where the owner is in each of them",
    ),
];

#[test]
fn what_is_reserved_is_used_where_the_list_says() {
    let sources = sources();
    let mut faults = Vec::new();
    for (words, places, reason) in RESERVED {
        let mut idle: BTreeSet<_> = places.iter().collect();
        for source in &sources {
            let code = source.product_code();
            for (at, _) in words.iter().flat_map(|word| code.match_indices(word)) {
                match places.iter().find(|place| source.path.starts_with(**place)) {
                    Some(place) => {
                        idle.remove(place);
                    }
                    None => faults.push(format!("{}:{}: {reason}", source.path, source.line(at))),
                }
            }
        }
        faults.extend(idle.into_iter().map(|place| format!("{place} uses {words:?} no more: take it off the list")));
    }
    none(&faults, "reserved");
}

/// The resolvers of a file: the line, the name and the answer of each method in the engine's blocks.
fn resolvers(source: &Source) -> Vec<(usize, String, String)> {
    let code = source.product_code();
    let mut found = Vec::new();
    for (at, _) in ["#[Object", "#[ComplexObject", "#[Subscription"].iter().flat_map(|mark| code.match_indices(mark)) {
        let Some(start) = code[at..].find("\nimpl").map(|start| at + start) else { continue };
        let block = &code[start..];
        let block = &block[..block.find("\n}").unwrap_or(block.len())];
        for (method, _) in block.match_indices("async fn ") {
            // The fields of a flattened object are the fields of the one around it.
            if block[..method].trim_end().ends_with("#[graphql(flatten)]") {
                continue;
            }
            let signature = &block[method + "async fn ".len()..];
            let Some(end) = signature.find(" {\n") else { continue };
            let (_, answer) = signature[..end].rsplit_once("-> ").unwrap_or(("", "nothing"));
            found.push((source.line(start + method), word(signature).unwrap_or_default(), answer.to_owned()));
        }
    }
    found
}

/// The type inside `Result`, `Option` and references.
fn core(answer: &str) -> &str {
    let answer = answer.trim().trim_start_matches('&').trim_start_matches("'_ ").trim_start_matches("async_graphql::");
    let answer = answer.trim_end_matches(',');
    for wrapper in ["Result<", "Option<", "impl Stream<Item = "] {
        if let Some(inner) = answer.strip_prefix(wrapper) {
            // Up to the bracket that closes this wrapper; what follows it (`+ use<>`) says nothing about the answer.
            let mut open = 1;
            let end = inner.find(|letter| {
                open += i32::from(letter == '<') - i32::from(letter == '>');
                open == 0
            });
            return core(&inner[..end.unwrap_or(inner.len())]);
        }
    }
    answer
}

#[test]
fn resolvers_answer_with_objects_in_our_container() {
    let sources = sources();
    let mut plain: BTreeSet<String> =
        ["str", "String", "bool", "i32", "f64", "ID", "UInt53", "DateTime<Utc>"].map(str::to_owned).into();
    // An enum is as plain as a number.
    for source in &sources {
        for (at, _) in source.code.match_indices("Enum") {
            let rest = &source.code[at..];
            let declared = rest.lines().take(4).find_map(|line| word(line.trim().strip_prefix("pub enum ")?));
            plain.extend(declared);
        }
    }
    let ours = ["Obj<", "Shared<Obj<", "Rows<", "SparseRows<", "Connection<", "Edges<", "Nodes<"];
    let mut faults = Vec::new();
    let mut seen = 0;
    for source in sources.iter().filter(|source| source.path.starts_with("src/graphql/")) {
        for (line, name, answer) in resolvers(source) {
            seen += 1;
            let core = core(&answer);
            if !ours.iter().any(|ours| core.starts_with(ours)) && !plain.contains(core) {
                faults.push(format!("{}:{line}: `{name}` answers `{answer}`", source.path));
            }
        }
    }
    assert!(seen > 45, "only {seen} resolvers were found");
    none(&faults, "a bare object or `Vec` goes through the engine's container: use `Obj`, `Rows` or a connection");
    assert_eq!(core("Result<Option<Vec<Run>>>"), "Vec<Run>");
    assert_eq!(core("Result<impl Stream<Item = Result<Obj<Batch>>> + use<>>"), "Obj<Batch>");
}

/// The structs of a file that are objects of the schema by derivation: the name and the lines of the body, with the first one's
/// number.
fn derived_objects(source: &Source) -> Vec<(String, usize, Vec<&str>)> {
    let code = source.product_code();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("SimpleObject)]") {
        let Some(start) = code[at..].find("pub struct ").map(|start| at + start + "pub struct ".len()) else {
            continue;
        };
        let (Some(name), Some(end)) = (word(&code[start..]), code[start..].find("\n}")) else { continue };
        found.push((name, source.line(start), code[start..start + end].lines().collect()));
    }
    found
}

#[test]
fn fields_hold_objects_in_our_container() {
    let sources = sources();
    let derived: Vec<_> = sources
        .iter()
        .flat_map(|source| derived_objects(source).into_iter().map(move |found| (source, found)))
        .collect();
    let names: BTreeSet<&str> = derived.iter().map(|(_, (name, _, _))| name.as_str()).collect();
    assert!(names.contains("Run") && names.contains("TokenUsage") && names.len() > 15, "{names:?}");
    let mut faults = Vec::new();
    for (source, (name, first, lines)) in &derived {
        let mut is_shown = true;
        for (at, line) in lines.iter().enumerate() {
            if line.contains("#[graphql(skip") {
                is_shown = false;
            }
            let Some((field, kind)) = line.trim().split_once(": ").filter(|_| !line.trim().starts_with("#[")) else {
                continue;
            };
            let bare = kind.trim_end_matches(',').trim_end_matches('>').rsplit(['<', ':']).next().unwrap_or_default();
            let is_wrapped = ["Obj<", "Rows<", "Connection<"].iter().any(|ours| kind.contains(ours));
            if is_shown && !is_wrapped && names.contains(bare) {
                faults.push(format!("{}:{}: `{name}.{field}` is `{kind}`", source.path, first + at));
            }
            is_shown = true;
        }
    }
    none(
        &faults,
        "a bare object or `Vec` goes through the engine's container: use `Obj` or `Rows`, or skip it and add an edge",
    );
}

#[test]
fn files_are_short_enough_to_be_read() {
    let long = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > 600)
        .map(|(lines, path)| format!("{path} has {lines} lines"))
        .collect::<Vec<_>>();
    none(&long, "a file is split at 600 lines");
}
