update bulk_acts set state = {{bulk.pause}}, changed_at = ?1 where id = ?2
