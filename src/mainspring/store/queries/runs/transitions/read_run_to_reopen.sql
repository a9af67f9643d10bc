select {{columns.runs.stopped_run}} from runs where id = ?
