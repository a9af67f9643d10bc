delete from channel_refs where not exists (select 1 from incidents where incidents.id = channel_refs.incident and incidents.opened = channel_refs.opened)
