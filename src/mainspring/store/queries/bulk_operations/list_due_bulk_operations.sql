-- What was changed later than ?2 was written by a clock that has been put back since: its times would be waited for.
-- Without a rate the next piece is due as soon as the last one is noted; then due_at only says whose turn it is.
select id, verb, actor, reason, reached, piece from bulk_acts
where state = {{running}} and (((due_at <= ?1 or every_ms = 0) and until_at <= ?1) or changed_at > ?2) order by due_at, seq limit 1
