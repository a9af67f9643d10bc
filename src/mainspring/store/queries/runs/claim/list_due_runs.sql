select {{columns.runs.due_run}} from runs indexed by runs_due
where ready = 0 and due_at is not null and blocked is null and due_at <= ? order by due_at, seq limit 500
