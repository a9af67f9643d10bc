select id, finished_at is not null, close_policy, run_key from runs
where parent = ? and parent_asked >= ? and superseded is null order by id
