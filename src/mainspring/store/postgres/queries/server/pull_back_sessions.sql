-- A future heartbeat counts as one of now: a lease must not last until the old time. A locked row belongs to a live process, which writes a
-- new heartbeat soon. `least` would ignore null and end a live session.
update sessions set opened_at = least(opened_at, ?1), beat_at = least(beat_at, ?1), ended_at = case when ended_at > ?1 then ?1 else ended_at end
where id in (select id from sessions where opened_at > ?1 or beat_at > ?1 or ended_at > ?1 for update skip locked)
