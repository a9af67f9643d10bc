-- An update that got its reply before the run was continued from an earlier step keeps it.
update run_updates set state = case when state in {{update_sources.accept}} then {{update.accept}} else state end, ident = :ident, run = :run
where id = (select source from inbox where run = :run and seq = :seq)
