delete from bulk_parts where bulk in (select id from bulk_acts where ended_at is not null and ended_at < ?)
