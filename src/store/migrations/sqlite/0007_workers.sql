-- Tokens of workers that live elsewhere, and what finding their runs needs.
-- The PostgreSQL file of the same number says the same; keep them side by side.

alter table token add column scope text not null default 'USER' check (scope in ('USER', 'WORKER'));

-- A worker looks only for runs of the agents that it serves, however long the queue of the others is.
drop index run_queue;
create index run_queue on run (agent, id) where status = 'QUEUED';

-- Runs that a worker left: there are few at any time.
create index run_left on run (agent, id) where status = 'RUNNING' and lease_holder is null;
