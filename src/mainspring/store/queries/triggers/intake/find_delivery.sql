-- The delivery that holds the key comes first.
select id, state, run, body_hash, note, variant from deliveries where trigger = ? and key = ? order by variant
