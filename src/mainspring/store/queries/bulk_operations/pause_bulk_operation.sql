update bulk_operations set state = {{bulk.pause}}, changed_at = ?1 where id = ?2
