select ident, kind, name from waits where run = ? and asked >= ? order by ident
