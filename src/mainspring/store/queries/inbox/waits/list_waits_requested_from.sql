select ident, kind, name from waits where run = ? and request_number >= ? order by ident
