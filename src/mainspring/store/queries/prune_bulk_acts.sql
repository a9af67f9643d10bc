delete from bulk_acts where ended_at is not null and ended_at < ?
