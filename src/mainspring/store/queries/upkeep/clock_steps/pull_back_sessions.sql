-- A future heartbeat counts as one of now: a lease must not last until the old time.
update sessions set opened_at = case when opened_at > ?1 then ?1 else opened_at end, beat_at = case when beat_at > ?1 then ?1 else beat_at end,
                    ended_at = case when ended_at > ?1 then ?1 else ended_at end
where opened_at > ?1 or beat_at > ?1 or ended_at > ?1
