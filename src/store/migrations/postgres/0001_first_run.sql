-- Users, tokens, projects, sessions, runs, timelines and files.
-- The SQLite file of the same number says the same; keep them side by side. Times are timestamptz, except in run_event,
-- where they are microseconds since 1970. JSON is text, written and read whole (jsonb would reorder keys and refuse NUL).
-- What is sorted as text collates "C", so that both engines sort alike.

create table "user" (
    id           uuid not null primary key,
    name         text collate "C" not null unique,
    email        text,
    organisation text,
    role         text not null check (role in ('USER', 'ADMIN')),
    created_at   timestamptz not null
);

create table token (
    id         uuid not null primary key,
    user_id    uuid not null references "user" (id),
    hash       bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
create index token_by_user on token (user_id);

-- Secrets of this server: made at the first start, never shown.
create table secret (
    name  text collate "C" not null primary key,
    value bytea not null
);

create table project (
    id              uuid not null primary key,
    user_id         uuid not null references "user" (id),
    name            text collate "C" not null,
    name_key        text collate "C" not null,
    search_key      text not null,
    description     text not null,
    labels          text not null,
    version         bigint not null,
    last_run_number bigint not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleting_at     timestamptz
);
create index project_by_creation on project (user_id, id) where deleting_at is null;
create index project_by_update on project (user_id, updated_at, id) where deleting_at is null;
create index project_by_name on project (user_id, name_key, id) where deleting_at is null;

create table project_label (
    project_id uuid not null references project (id),
    user_id    uuid not null,
    label      text collate "C" not null,
    primary key (project_id, label)
);
create index project_label_by_user on project_label (user_id, label, project_id);

create table session (
    id          uuid not null primary key,
    project_id  uuid not null references project (id),
    user_id     uuid not null references "user" (id),
    created_at  timestamptz not null,
    expires_at  timestamptz not null,
    ttl_seconds bigint not null,
    ended_at    timestamptz,
    end_reason  text,
    check ((ended_at is null) = (end_reason is null))
);
-- At most one active session per user and project.
create unique index session_active on session (project_id, user_id) where ended_at is null;
create index session_by_project on session (user_id, project_id, id);
create index session_by_user on session (user_id, id);
create index session_by_expiry on session (expires_at) where ended_at is null;

create table run (
    id                  uuid not null primary key,
    project_id          uuid not null references project (id),
    user_id             uuid not null references "user" (id),
    session_id          uuid not null references session (id),
    number              bigint not null,
    prompt              text not null,
    agent               text not null,
    model               text collate "C" not null,
    status              text not null check (status in ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    answer              text,
    failure             text,
    cancel_requested_at timestamptz,
    cancel_requested_by text,
    created_at          timestamptz not null,
    started_at          timestamptz,
    completed_at        timestamptz,
    rerun_of            uuid references run (id),
    last_sequence       bigint not null,
    input_tokens        bigint not null,
    cached_input_tokens bigint not null,
    output_tokens       bigint not null,
    reasoning_tokens    bigint not null,
    -- The lease: how often it was granted, how often renewed since, and who holds it (nobody: free to take at once).
    lease_generation    bigint not null,
    lease_counter       bigint not null,
    lease_holder        text,
    unique (project_id, number),
    check ((status in ('COMPLETED', 'FAILED', 'CANCELLED')) = (completed_at is not null))
);
-- One running run per project.
create unique index run_running on run (project_id) where status = 'RUNNING';
create index run_queue on run (id) where status = 'QUEUED';
-- Lists ask for the user and the project: an index that begins with both is the best one even without statistics.
create index run_by_project on run (user_id, project_id, id);
create index run_unfinished on run (user_id, project_id, id) where status in ('QUEUED', 'RUNNING');
create index run_by_session on run (session_id, id);
create index run_reruns on run (rerun_of, id) where rerun_of is not null;

create table run_model (
    run_id              uuid not null references run (id),
    model               text collate "C" not null,
    input_tokens        bigint not null,
    cached_input_tokens bigint not null,
    output_tokens       bigint not null,
    reasoning_tokens    bigint not null,
    primary key (run_id, model)
);

-- The timeline.
create table run_event (
    run_id   uuid not null references run (id),
    sequence bigint not null,
    at       bigint not null,
    kind     text not null,
    body     text not null,
    unique (run_id, sequence)
);

-- What a worker needs to go on from a turn: the conversation so far, private and opaque.
create table run_turn (
    run_id  uuid not null references run (id),
    turn    bigint not null,
    version bigint not null,
    body    text not null,
    primary key (run_id, turn)
);

create table file_version (
    version_id  uuid not null primary key,
    project_id  uuid not null references project (id),
    area        text collate "C" not null,
    object_name text not null,
    size        bigint not null,
    sha256      text not null,
    media_type  text not null,
    created_at  timestamptz not null,
    unique (project_id, version_id)
);

create table run_input (
    run_id     uuid not null references run (id),
    position   bigint not null,
    path       text collate "C" not null,
    version_id uuid not null references file_version (version_id),
    primary key (run_id, position)
);

create table file (
    id            uuid not null primary key,
    project_id    uuid not null references project (id),
    area          text collate "C" not null check (area in ('drive', 'workspace', 'artifacts', 'knowledge')),
    path          text collate "C" not null,
    original_name text not null,
    version_id    uuid not null,
    modified_at   timestamptz not null,
    unique (project_id, area, path),
    -- A project shows only contents of its own.
    foreign key (project_id, version_id) references file_version (project_id, version_id)
);

create table artifact (
    id         uuid not null primary key,
    run_id     uuid not null references run (id),
    project_id uuid not null references project (id),
    name       text collate "C" not null,
    version_id uuid not null,
    created_at timestamptz not null,
    -- A project shows only contents of its own.
    foreign key (project_id, version_id) references file_version (project_id, version_id)
);
create index artifact_by_run on artifact (run_id, id);
create index artifact_by_project on artifact (project_id, id);

-- Which request made what: the same key and input answer with the same thing, other input with a conflict. Kept for ever.
create table idempotency_key (
    user_id     uuid not null references "user" (id),
    operation   text collate "C" not null,
    key         text collate "C" not null,
    fingerprint bytea not null,
    subject_id  uuid not null,
    created_at  timestamptz not null,
    primary key (user_id, operation, key)
);

-- What has ended does not change. Rows may go only together with a project that is being deleted.
create function workroom_refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'check_violation';
end $$;

create trigger run_ended_is_fixed before update of
    id, project_id, user_id, session_id, number, prompt, agent, model, status, answer, failure, cancel_requested_at,
    cancel_requested_by, created_at, started_at, completed_at, rerun_of, last_sequence, input_tokens,
    cached_input_tokens, output_tokens, reasoning_tokens
on run for each row when (old.status in ('COMPLETED', 'FAILED', 'CANCELLED'))
execute function workroom_refuse('a run that has ended does not change');

create function workroom_run_stays() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from project where id = old.project_id and deleting_at is not null) then
        raise exception 'runs are kept' using errcode = 'check_violation';
    end if;
    return old;
end $$;

create trigger run_stays before delete on run for each row execute function workroom_run_stays();

-- The event that ends a run has the run's last sequence; there is none after it.
create function workroom_run_event_ends() returns trigger language plpgsql as $$
begin
    if exists (
        select 1 from run where id = new.run_id and status in ('COMPLETED', 'FAILED', 'CANCELLED')
        and last_sequence < new.sequence
    ) then
        raise exception 'a run that has ended gets no more events' using errcode = 'check_violation';
    end if;
    return new;
end $$;

create trigger run_event_ends before insert on run_event for each row execute function workroom_run_event_ends();

create trigger run_event_is_fixed before update on run_event
for each row execute function workroom_refuse('events do not change');

create function workroom_run_event_stays() returns trigger language plpgsql as $$
begin
    if not exists (
        select 1 from run join project on project.id = run.project_id
        where run.id = old.run_id and project.deleting_at is not null
    ) then
        raise exception 'events are kept' using errcode = 'check_violation';
    end if;
    return old;
end $$;

create trigger run_event_stays before delete on run_event for each row execute function workroom_run_event_stays();
