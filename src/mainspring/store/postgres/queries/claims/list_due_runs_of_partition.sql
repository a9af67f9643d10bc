-- Locked: a run that is being cancelled must not get the key.
select {{columns.runs.due_run}} from runs
where queue = ? and partition = ? and ready = 0 and due_at is not null and blocked is null and due_at <= ? order by due_at, seq limit 500
for update
