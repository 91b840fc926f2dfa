//! The cases: one or more for each input of the schema that names something, and the list of those that name nothing.

use serde_json::{Value, json};

use super::ground::{Ground, LABEL};

/// A kind of value that names something of somebody's.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    Node,
    User,
    Project,
    Session,
    Run,
    File,
    Key,
    Path,
    Folder,
    Sha256,
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
const FORBIDDEN: &str = r#""code":"FORBIDDEN""#;
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
const WRITE: &str = "mutation($i: WriteFileInput!) { writeFile(input: $i) {
    file { path text project { name } } userErrors { code message path } } }";
const COPY: &str = "mutation($i: CopyFileInput!) { copyFile(input: $i) {
    file { path text project { name } } userErrors { code message path } } }";
const MOVE: &str = "mutation($i: MoveFileInput!) { moveFile(input: $i) {
    movedCount entry { path name } userErrors { code message path } } }";
const DELETE: &str = "mutation($i: DeleteFilesInput!) { deleteFiles(input: $i) {
    results { path deletedCount userErrors { code message path } } userErrors { code message path } } }";
const FOLLOW: &str = "subscription($run: ID!, $after: String, $types: [RunEventType!]) {
    runEvents(runId: $run, after: $after, types: $types) { endCursor run { prompt } events { sequence type } } }";

/// Every input that names something.
pub const CASES: &[Case] = &[
    query(
        "Query.node(id)",
        Named::Node,
        r#""node":null"#,
        "query($v: ID!) { node(id: $v) { __typename id ... on User { name email sessions { totalCount } }
            ... on Project { name owner { name } runs { totalCount } files(area: DRIVE, recursive: true) { nodes { path ... on File { text } } } storage { area bytes } }
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
            "RunFilter.text",
            Named::Text,
            r#""totalCount":0"#,
            "query($project: ID!, $v: String!) { project(id: $project) { runs(filterBy: { text: $v }) {
                totalCount nodes { prompt } } } }",
        )
    },
    Case {
        variables: |ground, value| json!({ "v": value, "project": ground.his.project }),
        ..query(
            "RunFilter.rerunOf",
            Named::Run,
            r#""runCount":0"#,
            "query($project: ID!, $v: ID!) { project(id: $project) { runs(filterBy: { rerunOf: $v }) { totalCount }
                history(filterBy: { rerunOf: $v }) { audit { runCount inputTokens } auditBy(dimension: DAY) { key }
                    runs { totalCount nodes { prompt } } } } }",
        )
    },
    Case {
        variables: |ground, value| json!({ "v": value, "project": ground.hers.project }),
        ..query(
            "RunFilter.rerunOf",
            Named::Run,
            r#""project":null"#,
            "query($project: ID!, $v: ID!) { project(id: $project) {
                history(filterBy: { rerunOf: $v }) { audit { runCount } } } }",
        )
    },
    Case {
        variables: |ground, value| json!({ "v": value, "project": ground.his.project }),
        ..query(
            "Project.file(path)",
            Named::Path,
            r#""file":null"#,
            "query($project: ID!, $v: String!) { project(id: $project) { file(area: DRIVE, path: $v) { text } } }",
        )
    },
    Case {
        variables: |ground, value| json!({ "v": value, "project": ground.his.project }),
        ..query(
            "Project.files(directory)",
            Named::Folder,
            r#""totalCount":0"#,
            "query($project: ID!, $v: String!) { project(id: $project) {
                files(area: DRIVE, directory: $v, recursive: true) { totalCount nodes { path modifiedAt } } } }",
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
        "RunHistory.runs(after)",
        "RunHistory.runs",
        "query($project: ID!, $v: String!) { project(id: $project) { history { runs(after: $v) { nodes { prompt } } } } }",
    ),
    cursor(
        "RunHistory.runs(before)",
        "RunHistory.runs",
        "query($project: ID!, $v: String!) { project(id: $project) {
            history { runs(last: 5, before: $v) { nodes { prompt } } } } }",
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
    // While bob has nothing of alice's names yet.
    mutation(
        "MoveFileInput.projectId",
        Named::Project,
        MOVE,
        |_, value| json!({ "i": { "projectId": value, "path": "alices/2026/terms.md", "to": "taken.md" } }),
    ),
    mutation(
        "MoveFileInput.path",
        Named::Path,
        MOVE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "path": value, "to": "taken.md" } }),
    ),
    mutation(
        "MoveFileInput.path",
        Named::Folder,
        MOVE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "path": value, "to": "taken", "recursive": true } }),
    ),
    mutation(
        "DeleteFilesInput.projectId",
        Named::Project,
        DELETE,
        |_, value| json!({ "i": { "projectId": value, "paths": ["alices"], "recursive": true } }),
    ),
    mutation(
        "DeleteFilesInput.paths",
        Named::Path,
        DELETE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "paths": [value] } }),
    ),
    mutation(
        "DeleteFilesInput.paths",
        Named::Folder,
        DELETE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "paths": [value], "recursive": true } }),
    ),
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
    mutation(
        "WriteFileInput.projectId",
        Named::Project,
        WRITE,
        |_, value| json!({ "i": { "projectId": value, "path": "alices/2026/terms.md", "text": "bob's" } }),
    ),
    making(
        "WriteFileInput.path",
        Named::Path,
        WRITE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "path": value, "text": "bob's" } }),
    ),
    Case {
        says: r#""code":"CONFLICT""#,
        ..mutation(
            "WriteFileInput.expectedSha256",
            Named::Sha256,
            WRITE,
            |ground, value| json!({ "i": { "projectId": ground.his.project, "path": "bobs/2026/terms.md", "text": "bob's", "expectedSha256": value } }),
        )
    },
    mutation(
        "CopyFileInput.sourceId",
        Named::Node,
        COPY,
        |ground, value| json!({ "i": { "sourceId": value, "projectId": ground.his.project } }),
    ),
    mutation(
        "CopyFileInput.projectId",
        Named::Project,
        COPY,
        |ground, value| json!({ "i": { "sourceId": ground.his.file, "projectId": value } }),
    ),
    mutation(
        "CopyFileInput.projectId",
        Named::Project,
        COPY,
        |ground, value| json!({ "i": { "sourceId": ground.hers.file, "projectId": value } }),
    ),
    making(
        "CopyFileInput.path",
        Named::Path,
        COPY,
        |ground, value| json!({ "i": { "sourceId": ground.his.file, "projectId": ground.his.project, "path": value, "ifExists": "REPLACE" } }),
    ),
    mutation(
        "DeleteProjectInput.projectId",
        Named::Project,
        "mutation($i: DeleteProjectInput!) { deleteProject(input: $i) { deletedProjectId userErrors { code message path } } }",
        |_, value| json!({ "i": { "projectId": value } }),
    ),
    Case {
        says: FORBIDDEN,
        ..mutation(
            "AdminRevokeSessionInput.sessionId",
            Named::Session,
            "mutation($i: AdminRevokeSessionInput!) { adminRevokeSession(input: $i) {
                session { sessionId userName } userErrors { code message path } } }",
            |_, value| json!({ "i": { "sessionId": value, "reason": "I am not an admin." } }),
        )
    },
    query(
        "AdminSessionFilter.userId",
        Named::User,
        FORBIDDEN,
        "query($v: ID!) { adminSessions(filterBy: { userId: $v }) { totalCount nodes { sessionId } } }",
    ),
    query(
        "Query.adminSessions(after)",
        Named::Cursor("User.sessions"),
        FORBIDDEN,
        "query($v: String!) { adminSessions(after: $v) { totalCount nodes { sessionId userName } } }",
    ),
    query(
        "Query.adminSessions(before)",
        Named::Cursor("User.sessions"),
        FORBIDDEN,
        "query($v: String!) { adminSessions(before: $v) { totalCount nodes { sessionId userName } } }",
    ),
    query(
        "Query.adminActions(after)",
        Named::Cursor("User.sessions"),
        FORBIDDEN,
        "query($v: String!) { adminActions(after: $v) { totalCount nodes { reason } } }",
    ),
    query(
        "Query.adminActions(before)",
        Named::Cursor("User.sessions"),
        FORBIDDEN,
        "query($v: String!) { adminActions(before: $v) { totalCount nodes { reason } } }",
    ),
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
    making(
        "WriteFileInput.idempotencyKey",
        Named::Key,
        WRITE,
        |ground, value| json!({ "i": { "projectId": ground.his.project, "path": "by-key.md", "text": "By key.", "idempotencyKey": value } }),
    ),
    making(
        "CopyFileInput.idempotencyKey",
        Named::Key,
        COPY,
        |ground, value| json!({ "i": {
            "sourceId": ground.his.file, "projectId": ground.his.project, "path": "copy.md", "ifExists": "REPLACE", "idempotencyKey": value } }),
    ),
    Case {
        ways: &[Way::Upload],
        says: "bob's",
        ..making(
            "UploadFilesInput.idempotencyKey",
            Named::Key,
            UPLOAD,
            |ground, value| json!({ "input": { "projectId": ground.his.project, "files": [null], "idempotencyKey": value } }),
        )
    },
];
