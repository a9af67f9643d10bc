-- The rank is read from the journal: an owner that died left rows without reporting them.
update runs set state = {{target.claim}}, session = :session, claim = claim + 1, ready = 0, fresh = 0, due_at = null, waiting_for = null,
                started_at = coalesce(started_at, :now), changed_at = :now, claimed_by_command = :command, deploy = case when deploy < :deploy then :deploy else deploy end,
                hash_seed = case when fresh = 1 then (select sessions.hash_seed from sessions where sessions.id = :session) else hash_seed end,
                rank = case when fresh = 1 and fork is null then 0 else coalesce((select max(rank) from journal where run = runs.id), 0) end
from (select cast(value as bigint) as seq from json_each(:seqs) limit jsonb_array_length(cast(:seqs as jsonb))) as requested
where runs.seq = requested.seq and +runs.ready = 1 and runs.state || '' in {{sources.claim}}
  and (runs.concurrency_key is null or runs.has_slot = 1)  -- otherwise the commit puts it into the line of its key
returning {{columns.runs.claim_row}}
