select run, ident from waits where kind = 'ask' and filled = 0 order by opened_at limit ?
