delete from effects where key = ?
