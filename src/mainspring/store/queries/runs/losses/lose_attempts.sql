update attempts set state = {{lost}}, ended_at = :now
where state = {{started}} and run in (select id from runs where session = :session)
