-- The chain that seals timelines: whoever changes, removes or adds an event later cannot hide it.
-- The SQLite file of the same number says the same; keep them side by side.

-- Random bytes that go into the hash of the body, and the chain's value after this event. Null in events from before the chain.
alter table run_event add column salt bytea, add column hash bytea;

-- The first event that is sealed, and the chain's value after the last one. Null for a run from before the chain, until it goes on.
alter table run add column chain_from bigint, add column chain_head bytea;

-- As before, and the seal does not change either.
drop trigger run_ended_is_fixed on run;
create trigger run_ended_is_fixed before update of
    id, project_id, user_id, session_id, number, prompt, agent, model, status, answer, failure, cancel_requested_at,
    cancel_requested_by, created_at, started_at, completed_at, rerun_of, last_sequence, input_tokens,
    cached_input_tokens, output_tokens, reasoning_tokens, chain_from, chain_head
on run for each row when (old.status in ('COMPLETED', 'FAILED', 'CANCELLED'))
execute function workroom_refuse('a run that has ended does not change');

-- A server from before the chain would move a sealed run on without sealing what it adds.
create trigger run_moves_sealed before update of last_sequence on run for each row
when (old.chain_head is not null and new.last_sequence <> old.last_sequence and new.chain_head = old.chain_head)
execute function workroom_refuse('a sealed run moves on with its seal: an older server is still at work');
