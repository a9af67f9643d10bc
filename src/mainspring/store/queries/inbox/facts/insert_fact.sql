insert into inbox (run, kind, name, ident, payload, failure, source, at) values (?, ?, ?, ?, ?, ?, ?, ?)
