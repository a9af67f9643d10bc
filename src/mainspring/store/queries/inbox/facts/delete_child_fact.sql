delete from inbox where run = ? and kind = {{child}} and source = ?
