-- What changed, for those who watch projects live. Rows say which thing to look at again, never how it looks; old ones are
-- trimmed. They are written by triggers, so that no change can be forgotten.
-- The PostgreSQL file of the same number says the same; keep them side by side.

create table activity (
    -- One writer: the order of the ids is the order of the commits. PostgreSQL needs the transaction for that.
    tx         integer not null default 0,
    id         integer primary key autoincrement,
    user_id    blob not null,
    project_id blob not null,
    kind       text not null check (kind in ('PROJECT', 'SESSION', 'RUN', 'FILES')),
    subject_id blob,
    area       text
) strict;
create index activity_by_commit on activity (tx, id);
create index activity_by_project on activity (project_id);

create trigger project_made_is_told after insert on project
begin
    insert into activity (user_id, project_id, kind) values (new.user_id, new.id, 'PROJECT');
end;

create trigger project_changed_is_told after update of version, deleting_at on project
begin
    insert into activity (user_id, project_id, kind) values (new.user_id, new.id, 'PROJECT');
end;

create trigger session_made_is_told after insert on session
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'SESSION', new.id);
end;

create trigger session_ended_is_told after update of ended_at on session
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'SESSION', new.id);
end;

create trigger run_made_is_told after insert on run
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'RUN', new.id);
end;

create trigger run_changed_is_told after update of status, cancel_requested_at on run
begin
    insert into activity (user_id, project_id, kind, subject_id) values (new.user_id, new.project_id, 'RUN', new.id);
end;

create trigger file_made_is_told after insert on file
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', new.area from project where id = new.project_id and deleting_at is null;
end;

create trigger file_changed_is_told after update of area, path, version_id on file
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', new.area from project where id = new.project_id and deleting_at is null;
end;

create trigger file_gone_is_told after delete on file
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', old.area from project where id = old.project_id and deleting_at is null;
end;

create trigger artifact_made_is_told after insert on artifact
begin
    insert into activity (user_id, project_id, kind, area)
    select user_id, id, 'FILES', 'artifacts' from project where id = new.project_id;
end;
