insert into event_cursors (chain, match_hash, since_at, seq)
select coalesce(chain, id), cast(?2 as text), cast(?3 as bigint), cast(?4 as bigint) from runs where id = ?1
on conflict (chain, match_hash) do update set since_at = excluded.since_at, seq = excluded.seq
where excluded.since_at < event_cursors.since_at or (excluded.since_at = event_cursors.since_at and excluded.seq > event_cursors.seq)
