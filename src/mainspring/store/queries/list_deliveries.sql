-- ?2 = of this trigger, ?7 = of these (a list as JSON); null = of all.
select seq, id, trigger, key, state, note, name, verified, run, due_at, replay_of, received_at, changed_at from deliveries
where seq < ?1 and seq >= ?6 and (cast(?2 as text) is null or trigger = ?2) and (cast(?3 as text) is null or state = ?3) and received_at >= ?4
      and (cast(?7 as text) is null or trigger in (select value from json_each(?7)))
order by seq desc limit ?5
