-- What changed, for those who watch projects live. Rows say which thing to look at again, never how it looks; old ones are
-- trimmed. They are written by triggers, so that no change can be forgotten.
-- The SQLite file of the same number says the same; keep them side by side.

create table activity (
    -- Transactions commit in another order than they begin. Who reads only what is older than the oldest one under way, in
    -- the order of (tx, id), misses nothing.
    tx         bigint not null default (pg_current_xact_id()::text::bigint),
    id         bigint generated always as identity primary key,
    user_id    uuid not null,
    project_id uuid not null,
    kind       text collate "C" not null check (kind in ('PROJECT', 'SESSION', 'RUN', 'FILES')),
    subject_id uuid,
    area       text collate "C"
);
create index activity_by_commit on activity (tx, id);
create index activity_by_project on activity (project_id);

create function workroom_project_is_told() returns trigger language plpgsql as $$
begin
    insert into activity (user_id, project_id, kind) values (new.user_id, new.id, 'PROJECT');
    return null;
end $$;

create trigger project_made_is_told after insert on project for each row execute function workroom_project_is_told();
create trigger project_changed_is_told after update of version, deleting_at on project
for each row execute function workroom_project_is_told();

create function workroom_session_is_told() returns trigger language plpgsql as $$
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'SESSION', new.id);
    return null;
end $$;

create trigger session_made_is_told after insert on session for each row execute function workroom_session_is_told();
create trigger session_ended_is_told after update of ended_at on session
for each row execute function workroom_session_is_told();

create function workroom_run_is_told() returns trigger language plpgsql as $$
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'RUN', new.id);
    return null;
end $$;

create trigger run_made_is_told after insert on run for each row execute function workroom_run_is_told();
create trigger run_changed_is_told after update of status, cancel_requested_at on run
for each row execute function workroom_run_is_told();

create function workroom_file_is_told() returns trigger language plpgsql as $$
declare
    touched file := coalesce(new, old);
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', touched.area from project where id = touched.project_id and deleting_at is null;
    return null;
end $$;

create trigger file_made_is_told after insert on file for each row execute function workroom_file_is_told();
create trigger file_changed_is_told after update of area, path, version_id on file
for each row execute function workroom_file_is_told();
create trigger file_gone_is_told after delete on file for each row execute function workroom_file_is_told();

create function workroom_artifact_is_told() returns trigger language plpgsql as $$
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', 'artifacts' from project where id = new.project_id;
    return null;
end $$;

create trigger artifact_made_is_told after insert on artifact for each row execute function workroom_artifact_is_told();
