-- History: what runs are found by, and what those that have ended are counted and summed by.
-- The PostgreSQL file of the same number says the same; keep them side by side.

-- Begins as the index that it replaces did, and holds what lists of runs are filtered by: a page of the few that failed is
-- found without reading the others. Nothing in it changes with each event.
drop index run_by_project;
create index run_list on run (user_id, project_id, id, status, created_at, model, agent);

-- Prompt and answer, folded so that they are found in every script whatever the case. Of its own: run is read and written
-- all the time, and its rows are long enough.
create table run_search (
    run_id     blob not null primary key references run (id) on delete cascade,
    search_key text not null
) strict;

-- What history counts and sums, one narrow row for each run that has ended, written in the unit that ends it. Sums read
-- these rows in their order and nothing else; there are no counters that could go wrong.
create table ended_run (
    id             blob not null unique references run (id) on delete cascade,
    project_id     blob not null,
    user_id        blob not null,
    created_at     text not null,
    status         text not null,
    agent          text not null,
    model          text not null,
    rerun_of       blob,
    -- Null for a run that nobody started.
    duration_ms    integer,
    input_tokens   integer not null,
    output_tokens  integer not null,
    artifact_count integer not null,
    primary key (user_id, project_id, created_at, id)
) strict, without rowid;

create trigger ended_run_is_fixed before update on ended_run
begin
    select raise(abort, 'a run that has ended does not change');
end;

-- Runs from before these tables. SQL cannot fold their texts: the server does, when it opens the database.
create table unrecorded_run (
    id blob not null primary key
) strict, without rowid;
insert into unrecorded_run (id) select id from run;
