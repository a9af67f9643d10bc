select ident from waits where run = ? and kind = 'ask' and filled = 0 and (?2 is null or ident = ?2) limit 2
