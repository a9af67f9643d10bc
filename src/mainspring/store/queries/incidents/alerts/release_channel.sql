update channels set lease = null, session = null, until_at = 0, due_at = 0, failures = 0, since_at = null, fault = null,
                    told_at = coalesce(?1, told_at)
where name = ?2 and lease = ?3
