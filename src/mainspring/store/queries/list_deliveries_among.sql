-- Of the triggers named in ?3 (null = of all), among those numbered from ?2 to before ?1.
select seq, id, trigger, key, state, note, name, verified, run, due_at, replay_of, received_at, changed_at from deliveries
where seq < ?1 and seq >= ?2 and (cast(?3 as text) is null or trigger in (select value from json_each(?3)))
      and (cast(?4 as text) is null or state = ?4) and received_at >= ?5
order by seq desc limit ?6
