select filled, match_hash from waits where run = ? and ident = ?
