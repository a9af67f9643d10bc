delete from alerts where ended_at < ?1
