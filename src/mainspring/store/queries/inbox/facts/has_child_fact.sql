select 1 from inbox where run = ? and kind = {{child}} and source = ?
