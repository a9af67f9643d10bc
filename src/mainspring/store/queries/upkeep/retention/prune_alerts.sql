delete from alerts where ended_at < ?1
   or (ended_at is null and incident <> '' and not exists (select 1 from incidents where incidents.id = alerts.incident))
