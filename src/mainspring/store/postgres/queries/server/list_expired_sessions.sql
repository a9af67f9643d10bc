-- While the server itself was down no heartbeat could arrive: the lease counts from its start at the earliest.
select id, lease_ms from sessions
where state in ({{alive}}, {{draining}})
  and greatest(to_timestamp(beat_at / 1000.0), pg_postmaster_start_time()) < clock_timestamp() - make_interval(secs => lease_ms / 1000.0)
order by id
