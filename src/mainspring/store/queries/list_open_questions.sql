select ident from waits where run = ? and kind = 'ask' and filled = 0 and (cast(?2 as text) is null or ident = ?2) limit 2
