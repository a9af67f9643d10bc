select {{columns.runs.requested_child}} from runs where parent = ? and finished_at is null
