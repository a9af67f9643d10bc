update channels set lease = null, session = null, until_at = 0, due_at = 0, failures = 0, since_at = null, fault = null,
                    accepted_at = coalesce(?1, accepted_at)
where name = ?2 and lease = ?3
