select {{columns.runs.requested_child}} from runs
where parent = ? and parent_asked >= ? and superseded is null order by id
