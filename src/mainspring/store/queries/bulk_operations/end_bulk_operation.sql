update bulk_operations set state = {{bulk.end}}, ended_at = ?1, changed_at = ?1 where id = ?2
