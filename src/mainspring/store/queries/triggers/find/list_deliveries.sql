-- ?2 = of this trigger, ?7 = of these (a list as JSON); null = of all. ?8 = received before, ?9 = result of their verifier.
select {{columns.deliveries.delivery_row}} from deliveries
where seq < ?1 and seq >= ?6 and (cast(?2 as text) is null or trigger = ?2) and (cast(?3 as text) is null or state = ?3) and received_at >= ?4
      and (cast(?7 as text) is null or trigger in (select value from json_each(?7)))
      and (cast(?8 as bigint) is null or received_at < ?8) and (cast(?9 as text) is null or verified = ?9)
order by seq desc limit ?5
