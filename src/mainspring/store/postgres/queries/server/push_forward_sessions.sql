-- A heartbeat from before the clock was set forward has not aged by that: no lease may end because of it. A locked row belongs to a live
-- process: its own next commit, which notices the step, writes a new one.
update sessions set beat_at = beat_at + :by
where id in (select id from sessions where ended_at is null and beat_at < :before for update skip locked)
