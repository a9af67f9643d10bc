insert into channel_refs (incident, opened, channel, ref)
select incident, opened, channel, ?1 from alerts where seq = ?2
on conflict (incident, opened, channel) do update set ref = excluded.ref
