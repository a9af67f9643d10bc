update bulk_operations set state = {{bulk.stop}}, changed_at = ?1, ended_at = ?1 where id = ?2
