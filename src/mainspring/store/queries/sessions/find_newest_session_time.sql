-- The newest instant that a session wrote: the store's clock has reached it.
select max(at) from (select max(opened_at) as at from sessions union all select max(beat_at) from sessions
                     union all select max(ended_at) from sessions) as instants
