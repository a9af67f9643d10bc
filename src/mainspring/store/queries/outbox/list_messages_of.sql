select id, queue, state, run, ident, made_at, fault from outbox
where run = ? order by case when state = {{refused}} then 0 else 1 end, seq limit ?
