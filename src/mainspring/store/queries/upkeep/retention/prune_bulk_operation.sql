delete from bulk_operations where id = ?
