delete from facts_taken where run = ? and kind = ? and source = ?
