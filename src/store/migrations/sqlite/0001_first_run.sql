-- Users, tokens, projects, sessions, runs, timelines and files.
-- The PostgreSQL file of the same number says the same; keep them side by side. Times are RFC 3339 text in UTC with
-- microseconds, except in run_event, where they are microseconds since 1970. JSON is text, written and read whole.

create table "user" (
    id           blob not null primary key,
    name         text not null unique,
    email        text,
    organisation text,
    role         text not null check (role in ('USER', 'ADMIN')),
    created_at   text not null
) strict, without rowid;

create table token (
    id         blob not null primary key,
    user_id    blob not null references "user" (id),
    hash       blob not null unique,
    created_at text not null,
    expires_at text,
    revoked_at text
) strict, without rowid;
create index token_by_user on token (user_id);

-- Secrets of this server: made at the first start, never shown.
create table secret (
    name  text not null primary key,
    value blob not null
) strict, without rowid;

create table project (
    id              blob not null primary key,
    user_id         blob not null references "user" (id),
    name            text not null,
    name_key        text not null,
    search_key      text not null,
    description     text not null,
    labels          text not null,
    version         integer not null,
    last_run_number integer not null,
    created_at      text not null,
    updated_at      text not null,
    deleting_at     text
) strict, without rowid;
create index project_by_creation on project (user_id, id) where deleting_at is null;
create index project_by_update on project (user_id, updated_at, id) where deleting_at is null;
create index project_by_name on project (user_id, name_key, id) where deleting_at is null;

create table project_label (
    project_id blob not null references project (id),
    user_id    blob not null,
    label      text not null,
    primary key (project_id, label)
) strict, without rowid;
create index project_label_by_user on project_label (user_id, label, project_id);

create table session (
    id          blob not null primary key,
    project_id  blob not null references project (id),
    user_id     blob not null references "user" (id),
    created_at  text not null,
    expires_at  text not null,
    ttl_seconds integer not null,
    ended_at    text,
    end_reason  text,
    check ((ended_at is null) = (end_reason is null))
) strict, without rowid;
-- At most one active session per user and project.
create unique index session_active on session (project_id, user_id) where ended_at is null;
create index session_by_project on session (user_id, project_id, id);
create index session_by_user on session (user_id, id);
create index session_by_expiry on session (expires_at) where ended_at is null;

create table run (
    id                  blob not null primary key,
    project_id          blob not null references project (id),
    user_id             blob not null references "user" (id),
    session_id          blob not null references session (id),
    number              integer not null,
    prompt              text not null,
    agent               text not null,
    model               text not null,
    status              text not null check (status in ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    answer              text,
    failure             text,
    cancel_requested_at text,
    cancel_requested_by text,
    created_at          text not null,
    started_at          text,
    completed_at        text,
    rerun_of            blob references run (id),
    last_sequence       integer not null,
    input_tokens        integer not null,
    cached_input_tokens integer not null,
    output_tokens       integer not null,
    reasoning_tokens    integer not null,
    -- The lease: how often it was granted, how often renewed since, and who holds it (nobody: free to take at once).
    lease_generation    integer not null,
    lease_counter       integer not null,
    lease_holder        text,
    unique (project_id, number),
    check ((status in ('COMPLETED', 'FAILED', 'CANCELLED')) = (completed_at is not null))
) strict, without rowid;
-- One running run per project.
create unique index run_running on run (project_id) where status = 'RUNNING';
create index run_queue on run (id) where status = 'QUEUED';
-- Lists ask for the user and the project: an index that begins with both is the best one even without statistics.
create index run_by_project on run (user_id, project_id, id);
create index run_unfinished on run (user_id, project_id, id) where status in ('QUEUED', 'RUNNING');
create index run_by_session on run (session_id, id);
create index run_reruns on run (rerun_of, id) where rerun_of is not null;

create table run_model (
    run_id              blob not null references run (id),
    model               text not null,
    input_tokens        integer not null,
    cached_input_tokens integer not null,
    output_tokens       integer not null,
    reasoning_tokens    integer not null,
    primary key (run_id, model)
) strict, without rowid;

-- The timeline. A rowid table with an index wrote faster than one clustered by run: rows of many runs arrive interleaved.
create table run_event (
    run_id   blob not null references run (id),
    sequence integer not null,
    at       integer not null,
    kind     text not null,
    body     text not null,
    unique (run_id, sequence)
) strict;

-- What a worker needs to go on from a turn: the conversation so far, private and opaque.
create table run_turn (
    run_id  blob not null references run (id),
    turn    integer not null,
    version integer not null,
    body    text not null,
    primary key (run_id, turn)
) strict, without rowid;

create table file_version (
    version_id  blob not null primary key,
    project_id  blob not null references project (id),
    area        text not null,
    object_name text not null,
    size        integer not null,
    sha256      text not null,
    media_type  text not null,
    created_at  text not null,
    unique (project_id, version_id)
) strict, without rowid;

create table run_input (
    run_id     blob not null references run (id),
    position   integer not null,
    path       text not null,
    version_id blob not null references file_version (version_id),
    primary key (run_id, position)
) strict, without rowid;

create table file (
    id            blob not null primary key,
    project_id    blob not null references project (id),
    area          text not null check (area in ('drive', 'workspace', 'artifacts', 'knowledge')),
    path          text not null,
    original_name text not null,
    version_id    blob not null,
    modified_at   text not null,
    unique (project_id, area, path),
    -- A project shows only contents of its own.
    foreign key (project_id, version_id) references file_version (project_id, version_id)
) strict, without rowid;

create table artifact (
    id         blob not null primary key,
    run_id     blob not null references run (id),
    project_id blob not null references project (id),
    name       text not null,
    version_id blob not null,
    created_at text not null,
    -- A project shows only contents of its own.
    foreign key (project_id, version_id) references file_version (project_id, version_id)
) strict, without rowid;
create index artifact_by_run on artifact (run_id, id);
create index artifact_by_project on artifact (project_id, id);

-- Which request made what: the same key and input answer with the same thing, other input with a conflict. Kept for ever.
create table idempotency_key (
    user_id     blob not null references "user" (id),
    operation   text not null,
    key         text not null,
    fingerprint blob not null,
    subject_id  blob not null,
    created_at  text not null,
    primary key (user_id, operation, key)
) strict, without rowid;

-- What has ended does not change. Rows may go only together with a project that is being deleted.
create trigger run_ended_is_fixed before update of
    id, project_id, user_id, session_id, number, prompt, agent, model, status, answer, failure, cancel_requested_at,
    cancel_requested_by, created_at, started_at, completed_at, rerun_of, last_sequence, input_tokens,
    cached_input_tokens, output_tokens, reasoning_tokens
on run when old.status in ('COMPLETED', 'FAILED', 'CANCELLED')
begin
    select raise(abort, 'a run that has ended does not change');
end;

create trigger run_stays before delete on run
when not exists (select 1 from project where id = old.project_id and deleting_at is not null)
begin
    select raise(abort, 'runs are kept');
end;

-- The event that ends a run has the run's last sequence; there is none after it.
create trigger run_event_ends before insert on run_event
when exists (
    select 1 from run where id = new.run_id and status in ('COMPLETED', 'FAILED', 'CANCELLED')
    and last_sequence < new.sequence
)
begin
    select raise(abort, 'a run that has ended gets no more events');
end;

create trigger run_event_is_fixed before update on run_event
begin
    select raise(abort, 'events do not change');
end;

create trigger run_event_stays before delete on run_event
when not exists (
    select 1 from run join project on project.id = run.project_id
    where run.id = old.run_id and project.deleting_at is not null
)
begin
    select raise(abort, 'events are kept');
end;
