select {{columns.runs.resumable_run}} from runs where id = ?
