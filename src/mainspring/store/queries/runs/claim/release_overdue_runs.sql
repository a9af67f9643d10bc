update runs set blocked = null, ready = 1
where seq in (select seq from runs indexed by runs_late where blocked is not null and deadline_at is not null and deadline_at <= ? limit 500)
