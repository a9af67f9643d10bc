select run, ident, kind, name, until_at, question, filled, opened_at from waits where run = ? order by opened_at, ident
