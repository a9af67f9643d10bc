select match_hash, since_at, until_at from waits where run = ? and ident = ? and kind = 'event' and filled = 0
