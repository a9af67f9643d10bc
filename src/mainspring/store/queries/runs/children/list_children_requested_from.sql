select {{columns.runs.requested_child}} from runs
where parent = ? and parent_request_number >= ? and superseded is null order by id
