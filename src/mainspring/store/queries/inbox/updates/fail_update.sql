update run_updates set state = {{update.fail}}, replied_at = :now, failure = :reply
where run = :run and ident = :ident and state in {{update_sources.reply}}
returning id
