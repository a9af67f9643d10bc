select ident, since_at, match_hash from waits where run = ? and match_hash = ? and kind = 'event' and filled = 0 order by opened_at, ident
