-- A heartbeat from before the clock was set forward has not aged by that: no lease may end because of it.
update sessions set beat_at = beat_at + :by where ended_at is null and beat_at < :before
