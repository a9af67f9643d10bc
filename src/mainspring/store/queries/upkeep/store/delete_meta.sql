delete from meta where key = ?
