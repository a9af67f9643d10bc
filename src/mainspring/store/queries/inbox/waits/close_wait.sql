delete from waits where run = ? and ident = ?
