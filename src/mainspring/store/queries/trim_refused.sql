delete from deliveries where trigger = ?1 and state = {{refused}} and seq <= (
    select seq from deliveries where trigger = ?1 and state = {{refused}} order by seq desc limit 1 offset ?2)
