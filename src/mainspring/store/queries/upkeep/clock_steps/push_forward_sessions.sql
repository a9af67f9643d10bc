-- A sign of life from before the clock was set forward is not older than it was: no lease may end by that.
update sessions set beat_at = beat_at + :by where ended_at is null and beat_at < :before
