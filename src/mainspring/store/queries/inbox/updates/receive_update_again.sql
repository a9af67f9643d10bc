update run_updates set state = case when state in {{update_sources.return}} then {{update.return}} else state end, ident = null
where run = :run and seq = :seq
