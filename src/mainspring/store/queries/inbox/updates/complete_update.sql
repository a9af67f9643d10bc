update run_updates set state = {{update.reply}}, replied_at = :now, result = :reply
where run = :run and ident = :ident and state in {{update_sources.reply}}
returning id
