-- When its next piece is due stays as it was, for its rate; a time that a clock wrote which has been put back since is not waited for.
update bulk_acts set state = {{bulk.resume}}, changed_at = ?1, due_at = case when due_at > ?1 + every_ms then ?1 + every_ms else due_at end
where id = ?2
