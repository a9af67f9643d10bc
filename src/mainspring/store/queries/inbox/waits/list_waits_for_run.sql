select run, ident from waits where kind = 'run' and filled = 0 and name = ? order by run, ident
