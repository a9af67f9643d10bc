-- One that got its reply before, and is now rejected, keeps the reply.
update run_updates set state = {{update.reject}}, replied_at = :now, failure = :failure
where id = (select source from inbox where run = :run and seq = :seq) and state in {{update_sources.reject}}
returning id
