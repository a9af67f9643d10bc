select {{columns.runs.keyed_run}} from runs where id = ? and blocked = 'key'
