-- A sign of life that lies ahead counts as one of now: a lease must not last until the old time. A row that is locked belongs to a process that
-- lives, and that writes a new one soon.
update sessions set opened_at = least(opened_at, ?1), beat_at = least(beat_at, ?1), ended_at = least(ended_at, ?1)
where id in (select id from sessions where opened_at > ?1 or beat_at > ?1 or ended_at > ?1 for update skip locked)
