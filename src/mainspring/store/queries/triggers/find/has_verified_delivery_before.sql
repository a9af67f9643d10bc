select 1 from deliveries where trigger = ?1 and seq < ?2 and verified is not null and state <> {{refused}} limit 1
