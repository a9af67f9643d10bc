select {{columns.runs.ended_child}} from runs where id = ? and finished_at is not null
