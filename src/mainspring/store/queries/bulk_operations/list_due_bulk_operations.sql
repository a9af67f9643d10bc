-- Operations that changed later than ?2 were written by a clock that was ahead: their times would be waited for. Without a rate the next
-- batch is due as soon as the last one is recorded; then due_at only determines the order.
select id, verb, actor, reason, reached, piece from bulk_operations
where state = {{running}} and (((due_at <= ?1 or every_ms = 0) and until_at <= ?1) or changed_at > ?2) order by due_at, seq limit 1
