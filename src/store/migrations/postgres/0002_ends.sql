-- What admins did, and what finding and sweeping up ended sessions and deleted projects needs.
-- The SQLite file of the same number says the same; keep them side by side.

-- Who did what to whom, why and when. Kept for ever, so of the session only its id: the session itself goes with its project.
create table admin_action (
    id         uuid not null primary key,
    kind       text collate "C" not null,
    admin_id   uuid not null references "user" (id),
    user_id    uuid not null references "user" (id),
    session_id uuid not null,
    reason     text not null,
    created_at timestamptz not null
);

-- Nearly always empty: every read asks it whether a row's project is being deleted.
create index project_deleting on project (deleting_at, id) where deleting_at is not null;

-- By these a row that goes finds out fast that nothing names it any more. Sessions are listed by the first one, too.
drop index session_by_project;
create index session_by_project on session (project_id, user_id, id);
create index run_input_by_version on run_input (version_id);
create index idempotency_key_by_subject on idempotency_key (subject_id);
