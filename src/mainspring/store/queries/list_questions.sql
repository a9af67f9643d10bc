select run, ident, kind, name, until_at, question, filled, opened_at from waits where kind = 'ask' and filled = 0 order by opened_at limit ?
