select {{columns.runs.receiving_run}} from runs where id = ?
