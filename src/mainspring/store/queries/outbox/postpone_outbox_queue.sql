update outbox_leases set lease = null, session = null, until_at = 0, due_at = ?1, failures = case when ?2 = 1 then 1 else failures + 1 end,
                   since_at = case when ?2 = 1 then ?3 else coalesce(since_at, ?3) end, fault = ?4
where queue = ?5 and lease = ?6
