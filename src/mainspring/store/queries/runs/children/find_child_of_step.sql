select id, state, finished_at is not null from runs
where parent = ? and parent_ident = ? and superseded is null order by seq desc limit 1
