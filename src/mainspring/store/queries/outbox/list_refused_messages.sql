select id, queue, state, run, ident, made_at, fault from outbox where state = {{refused}} order by seq limit ?
