insert into faults (run, automation, state, reason, ident, failure, at) values (?, ?, ?, ?, ?, ?, ?)
