update bulk_acts set state = {{bulk.resume}}, changed_at = ?1, due_at = ?1 where id = ?2
