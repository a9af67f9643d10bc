select count(*), min(since) from (
    select case when due_at is not null and due_at > changed_at and due_at <= ? then due_at else changed_at end as since
    from runs indexed by runs_ready where ready = 1 and suspect = 0 and queue = ? and automation = ? and version = ? and tag = ? limit ?
) as counted
