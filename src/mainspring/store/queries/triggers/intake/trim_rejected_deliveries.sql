-- For each reason, so that a flood of one does not hide the others.
delete from deliveries where trigger = ?1 and state = {{refused}} and coalesce(verified, '') = coalesce(?3, '') and seq <= (
    select seq from deliveries where trigger = ?1 and state = {{refused}} and coalesce(verified, '') = coalesce(?3, '')
    order by seq desc limit 1 offset ?2)
