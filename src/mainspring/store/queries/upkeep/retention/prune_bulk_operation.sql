delete from bulk_acts where id = ?
