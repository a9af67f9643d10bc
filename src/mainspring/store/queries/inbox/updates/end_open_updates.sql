update run_updates set state = {{update.fail}}, replied_at = :now, failure = :failure
where run = :run and replied_at is null
returning id
