//! The cases: one or more for each input of the schema that names something, and the list of those that name nothing.

use serde_json::{Value, json};

use super::ground::{Ground, LABEL};

/// A kind of value that names something of somebody's.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    Node,
    Project,
    Session,
    Run,
    File,
    Key,
    Path,
    Folder,
    Text,
    Label,
    Sequence,
    /// The end cursor of one of alice's lists.
    Cursor(&'static str),
}

/// How bob asks.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Post,
    Events,
    Socket,
    Upload,
}

/// An input, and how bob tries it.
pub struct Case {
    pub covers: &'static str,
    pub value: Named,
    pub document: &'static str,
    pub variables: fn(&Ground, &str) -> Value,
    pub ways: &'static [Way],
    /// Something of bob's own comes of it.
    pub makes: bool,
    /// A part of the answer, which shows that the case asks what it means to ask.
    pub says: &'static str,
}

const QUERY: &[Way] = &[Way::Post, Way::Events, Way::Socket];
const MUTATION: &[Way] = &[Way::Post, Way::Socket];
const STREAM: &[Way] = &[Way::Events, Way::Socket];
const NOT_FOUND: &str = r#""code":"NOT_FOUND""#;
const REFUSED: &str = r#""code":"BAD_USER_INPUT""#;

const fn query(covers: &'static str, value: Named, says: &'static str, document: &'static str) -> Case {
    Case { covers, value, document, variables: |_, value| json!({ "v": value }), ways: QUERY, makes: false, says }
}

/// A cursor of alice's in the same list of bob's.
const fn cursor(covers: &'static str, list: &'static str, document: &'static str) -> Case {
    let variables = |ground: &Ground, value: &str| {
        let his = &ground.his;
        json!({ "v": value, "project": his.project, "session": his.session, "run": his.run })
    };
    Case { covers, value: Named::Cursor(list), document, variables, ways: QUERY, makes: false, says: REFUSED }
}

const fn mutation(
    covers: &'static str,
    value: Named,
    document: &'static str,
    variables: fn(&Ground, &str) -> Value,
) -> Case {
    Case { covers, value, document, variables, ways: MUTATION, makes: false, says: NOT_FOUND }
}

const fn making(
    covers: &'static str,
    value: Named,
    document: &'static str,
    variables: fn(&Ground, &str) -> Value,
) -> Case {
    Case { makes: true, says: r#""userErrors":[]"#, ..mutation(covers, value, document, variables) }
}

const CREATE: &str = "mutation($i: CreateProjectInput!) { createProject(input: $i) {
    project { name version labels owner { name } runs { totalCount } } userErrors { code message path } } }";
const START: &str = "mutation($i: StartRunInput!) { startRun(input: $i) {
    run { prompt status project { name } inputs { path } } userErrors { code message path } } }";
const RERUN: &str = "mutation($i: RerunInput!) { rerun(input: $i) {
    run { prompt status project { name } rerunOf { prompt } } userErrors { code message path } } }";
const UPLOAD: &str = "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) {
    results { file { path size project { name } } userErrors { code message path } } userErrors { code message path } } }";
const FOLLOW: &str = "subscription($run: ID!, $after: String, $types: [RunEventType!]) {
    runEvents(runId: $run, after: $after, types: $types) { endCursor run { prompt } events { sequence type } } }";

/// Every input that names something.
pub const CASES: &[Case] = &[
    query(
        "Query.node(id)",
        Named::Node,
        r#""node":null"#,
        "query($v: ID!) { node(id: $v) { __typename id ... on User { name email sessions { totalCount } }
            ... on Project { name owner { name } runs { totalCount } files(area: DRIVE) { nodes { text } } }
            ... on WorkspaceSession { status user { name } } ... on Run { prompt answer events { totalCount } }
            ... on File { path text downloadUrl } ... on Artifact { name text downloadUrl } } }",
    ),
    query(
        "Query.nodes(ids)",
        Named::Node,
        r#""nodes":[null,null]"#,
        "query($v: ID!) { nodes(ids: [$v, $v]) { __typename id ... on File { downloadUrl } ... on Artifact { text } } }",
    ),
    query(
        "Query.project(id)",
        Named::Project,
        r#""project":null"#,
        "query($v: ID!) { project(id: $v) { name session { id } artifacts { nodes { text } }
            file(area: DRIVE, path: \"alices/2026/terms.md\") { text } } }",
    ),
    query(
        "Query.run(id)",
        Named::Run,
        r#""run":null"#,
        "query($v: ID!) { run(id: $v) { prompt answer usage { totalTokens } inputs { path } rerunOf { id } } }",
    ),
    query(
        "ProjectFilter.text",
        Named::Text,
        r#""totalCount":0"#,
        "query($v: String!) { projects(filterBy: { text: $v }) { totalCount nodes { name } pageInfo { endCursor } } }",
    ),
    query(
        "ProjectFilter.labels",
        Named::Label,
        r#""totalCount":0"#,
        "query($v: String!) { projects(filterBy: { labels: [$v] }) { totalCount nodes { name } } }",
    ),
    Case {
        variables: |ground, value| json!({ "v": value, "project": ground.his.project }),
        ..query(
            "Project.file(path)",
            Named::Path,
            r#""file":null"#,
            "query($project: ID!, $v: String!) { project(id: $project) { file(area: DRIVE, path: $v) { text } } }",
        )
    },
    cursor("Query.projects(after)", "Query.projects", "query($v: String!) { projects(after: $v) { nodes { name } } }"),
    cursor(
        "Query.projects(before)",
        "Query.projects",
        "query($v: String!) { projects(last: 5, before: $v) { nodes { name } } }",
    ),
    cursor(
        "User.sessions(after)",
        "User.sessions",
        "query($v: String!) { viewer { sessions(after: $v) { nodes { id } } } }",
    ),
    cursor(
        "User.sessions(before)",
        "User.sessions",
        "query($v: String!) { viewer { sessions(last: 5, before: $v) { nodes { id } } } }",
    ),
    cursor(
        "Project.sessions(after)",
        "Project.sessions",
        "query($project: ID!, $v: String!) { project(id: $project) { sessions(after: $v) { nodes { id } } } }",
    ),
    cursor(
        "Project.sessions(before)",
        "Project.sessions",
        "query($project: ID!, $v: String!) { project(id: $project) { sessions(last: 5, before: $v) { nodes { id } } } }",
    ),
    cursor(
        "Project.runs(after)",
        "Project.runs",
        "query($project: ID!, $v: String!) { project(id: $project) { runs(after: $v) { nodes { prompt } } } }",
    ),
    cursor(
        "Project.runs(before)",
        "Project.runs",
        "query($project: ID!, $v: String!) { project(id: $project) { runs(last: 5, before: $v) { nodes { prompt } } } }",
    ),
    cursor(
        "Project.artifacts(after)",
        "Project.artifacts",
        "query($project: ID!, $v: String!) { project(id: $project) { artifacts(after: $v) { nodes { name } } } }",
    ),
    cursor(
        "Project.artifacts(before)",
        "Project.artifacts",
        "query($project: ID!, $v: String!) { project(id: $project) { artifacts(last: 5, before: $v) { nodes { id } } } }",
    ),
    cursor(
        "Project.files(after)",
        "Project.files",
        "query($project: ID!, $v: String!) { project(id: $project) { files(area: DRIVE, after: $v) { nodes { path } } } }",
    ),
    cursor(
        "Project.files(before)",
        "Project.files",
        "query($project: ID!, $v: String!) { project(id: $project) {
            files(area: DRIVE, last: 5, before: $v) { nodes { path } } } }",
    ),
    cursor(
        "WorkspaceSession.runs(after)",
        "WorkspaceSession.runs",
        "query($session: ID!, $v: String!) { node(id: $session) {
            ... on WorkspaceSession { runs(after: $v) { nodes { prompt } } } } }",
    ),
    cursor(
        "WorkspaceSession.runs(before)",
        "WorkspaceSession.runs",
        "query($session: ID!, $v: String!) { node(id: $session) {
            ... on WorkspaceSession { runs(last: 5, before: $v) { nodes { prompt } } } } }",
    ),
    cursor(
        "Run.artifacts(after)",
        "Run.artifacts",
        "query($run: ID!, $v: String!) { run(id: $run) { artifacts(after: $v) { nodes { name } } } }",
    ),
    cursor(
        "Run.artifacts(before)",
        "Run.artifacts",
        "query($run: ID!, $v: String!) { run(id: $run) { artifacts(last: 5, before: $v) { nodes { name } } } }",
    ),
    cursor(
        "Run.reruns(after)",
        "Run.reruns",
        "query($run: ID!, $v: String!) { run(id: $run) { reruns(after: $v) { nodes { prompt } } } }",
    ),
    cursor(
        "Run.reruns(before)",
        "Run.reruns",
        "query($run: ID!, $v: String!) { run(id: $run) { reruns(last: 5, before: $v) { nodes { prompt } } } }",
    ),
    Case {
        variables: |ground, value| json!({ "v": value, "run": ground.hers.run }),
        ..query(
            "Run.events(after)",
            Named::Sequence,
            r#""run":null"#,
            "query($run: ID!, $v: String!) { run(id: $run) { events(after: $v) { totalCount } } }",
        )
    },
    Case {
        variables: |ground, value| json!({ "v": value, "run": ground.hers.run }),
        ..query(
            "Run.events(before)",
            Named::Sequence,
            r#""run":null"#,
            "query($run: ID!, $v: String!) { run(id: $run) { events(last: 5, before: $v) { totalCount } } }",
        )
    },
    Case {
        variables: |_, value| json!({ "run": value }),
        ways: STREAM,
        ..query("Subscription.runEvents(runId)", Named::Run, NOT_FOUND, FOLLOW)
    },
    Case {
        variables: |_, value| json!({ "run": value, "after": "1", "types": ["AGENT_MESSAGE"] }),
        ways: STREAM,
        ..query("Subscription.runEvents(runId)", Named::Run, NOT_FOUND, FOLLOW)
    },
    Case {
        variables: |ground, value| json!({ "run": ground.hers.run, "after": value }),
        ways: STREAM,
        ..query("Subscription.runEvents(after)", Named::Sequence, NOT_FOUND, FOLLOW)
    },
    Case {
        ways: STREAM,
        ..query(
            "Subscription.projectActivity(projectId)",
            Named::Project,
            NOT_FOUND,
            "subscription($v: ID!) { projectActivity(projectId: $v) { __typename ... on ActivitySnapshot { runs { id } } } }",
        )
    },
    mutation(
        "UpdateProjectInput.projectId",
        Named::Project,
        "mutation($i: UpdateProjectInput!) { updateProject(input: $i) {
            project { name } userErrors { code message path } } }",
        |_, value| json!({ "i": { "projectId": value, "version": 1, "name": "taken" } }),
    ),
    mutation(
        "UpdateProjectInput.projectId",
        Named::Project,
        "mutation($i: UpdateProjectInput!) { updateProject(input: $i) {
            project { name } userErrors { code message path } } }",
        |_, value| json!({ "i": { "projectId": value, "version": 77, "labels": ["stale"] } }),
    ),
    mutation(
        "OpenProjectInput.projectId",
        Named::Project,
        "mutation($i: OpenProjectInput!) { openProject(input: $i) {
            provisioned project { name } session { id } userErrors { code message path } } }",
        |_, value| json!({ "i": { "projectId": value } }),
    ),
    mutation(
        "RevokeSessionInput.sessionId",
        Named::Session,
        "mutation($i: RevokeSessionInput!) { revokeSession(input: $i) {
            session { status } userErrors { code message path } } }",
        |_, value| json!({ "i": { "sessionId": value } }),
    ),
    mutation(
        "StartRunInput.projectId",
        Named::Project,
        START,
        |_, value| json!({ "i": { "projectId": value, "prompt": "bob's", "ifBusy": "CANCEL_CURRENT" } }),
    ),
    mutation(
        "StartRunInput.projectId",
        Named::Project,
        START,
        |ground, value| json!({ "i": { "projectId": value, "prompt": "bob's", "files": [ground.hers.file] } }),
    ),
    mutation(
        "StartRunInput.files",
        Named::File,
        START,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "prompt": "bob's", "files": [value] } }),
    ),
    mutation(
        "StartRunInput.files",
        Named::File,
        START,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "prompt": "bob's", "files": [ground.his.file, value] } }),
    ),
    mutation(
        "RerunInput.runId",
        Named::Run,
        RERUN,
        |_, value| json!({ "i": { "runId": value, "ifBusy": "CANCEL_CURRENT" } }),
    ),
    mutation(
        "CancelRunInput.runId",
        Named::Run,
        "mutation($i: CancelRunInput!) { cancelRun(input: $i) {
            run { status prompt } userErrors { code message path } } }",
        |_, value| json!({ "i": { "runId": value } }),
    ),
    Case {
        ways: &[Way::Upload],
        ..mutation(
            "UploadFilesInput.projectId",
            Named::Project,
            UPLOAD,
            |_, value| json!({ "input": { "projectId": value, "files": [null] } }),
        )
    },
    Case {
        ways: &[Way::Upload],
        says: "bob's",
        ..making(
            "UploadFilesInput.directory",
            Named::Folder,
            UPLOAD,
            |ground, value| json!({ "input": { "projectId": ground.his.project, "files": [null], "directory": value } }),
        )
    },
    // The very request that alice made, with her key.
    making(
        "CreateProjectInput.idempotencyKey",
        Named::Key,
        CREATE,
        |_, value| json!({ "i": { "name": "alice's by key", "labels": [LABEL], "idempotencyKey": value } }),
    ),
    making(
        "StartRunInput.idempotencyKey",
        Named::Key,
        START,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "prompt": "alice's again", "idempotencyKey": value } }),
    ),
    making(
        "RerunInput.idempotencyKey",
        Named::Key,
        RERUN,
        |ground, value| json!({ "i": { "runId": ground.his.run, "idempotencyKey": value } }),
    ),
];

/// Inputs that name nothing of anybody's, each with the reason. Page sizes are not listed.
pub const PLAIN: &[(&str, &str)] = &[
    ("Artifact.downloadUrl(expiresInSeconds)", "a duration"),
    ("Artifact.text(maxBytes)", "a size"),
    ("File.downloadUrl(expiresInSeconds)", "a duration"),
    ("File.text(maxBytes)", "a size"),
    ("CreateProjectInput.name", "any text: names need not be unique, so nobody else's is looked up"),
    ("CreateProjectInput.description", "any text"),
    ("CreateProjectInput.labels", "any text: labels are the project's own"),
    ("UpdateProjectInput.name", "any text: names need not be unique"),
    ("UpdateProjectInput.description", "any text"),
    ("UpdateProjectInput.labels", "any text: labels are the project's own"),
    (
        "UpdateProjectInput.version",
        "counts the changes of the project that `projectId` names; a case gives a stale one",
    ),
    ("OpenProjectInput.ttlSeconds", "a duration"),
    ("StartRunInput.prompt", "any text: it is read by an agent that sees one project only"),
    ("StartRunInput.agent", "out of the server's catalogue, the same for everybody"),
    ("StartRunInput.model", "out of the server's catalogue, the same for everybody"),
    ("RerunInput.prompt", "any text"),
    ("UploadFilesInput.files", "bytes that came with the same request"),
];
