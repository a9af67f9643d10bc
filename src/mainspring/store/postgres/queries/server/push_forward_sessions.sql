-- A sign of life from before the clock was set forward is not older than it was: no lease may end by that. A row that is locked belongs to a
-- process that lives: its own next commit, which notices the step, writes a new one.
update sessions set beat_at = beat_at + :by
where id in (select id from sessions where ended_at is null and beat_at < :before for update skip locked)
