delete from sessions where ended_at < ?1 and state in ({{closed}}, {{dead}}) and not exists (select 1 from runs where runs.session = sessions.id)
