select {{columns.runs.blocked_run}} from runs where queue = ? and partition = ? and blocked = 'partition' order by place, seq limit 1
