select trigger, per, expected, here, deadline_at, changed_at from gatherings where run is null and (cast(?1 as text) is null or trigger = ?1)
order by deadline_at limit ?2
