update channels set lease = null, session = null, until_at = 0, due_at = ?1, failures = case when ?2 = 1 then 1 else failures + 1 end,
                    since_at = case when ?2 = 1 then ?3 when since_at <= ?3 then since_at else ?3 end, fault = ?4, accepted_at = coalesce(?5, accepted_at)
where name = ?6 and lease = ?7
