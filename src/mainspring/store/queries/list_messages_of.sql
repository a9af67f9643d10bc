select id, queue, state, run, ident, made_at, fault from outbox where run = ? order by seq limit ?
