-- The due time of its next batch stays, for its rate; a time written by a clock that was ahead is not waited for.
update bulk_operations set state = {{bulk.resume}}, changed_at = ?1, due_at = case when due_at > ?1 + every_ms then ?1 + every_ms else due_at end
where id = ?2
