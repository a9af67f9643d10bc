select ident, match_hash, since_at, until_at from waits where run = ? and kind = 'event' and filled = 0 order by opened_at, ident
