select {{columns.runs.fork_source}} from runs where id = ?
