delete from incident_moves where at < ?1 and not exists (select 1 from incidents where incidents.id = incident_moves.incident)
