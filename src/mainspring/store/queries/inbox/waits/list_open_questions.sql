select ident, until_at from waits where run = ?1 and kind = 'ask' and filled = 0 and (cast(?2 as text) is null or ident = ?2)
