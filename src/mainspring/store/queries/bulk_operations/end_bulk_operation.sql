update bulk_acts set state = {{bulk.end}}, ended_at = ?1, changed_at = ?1 where id = ?2
