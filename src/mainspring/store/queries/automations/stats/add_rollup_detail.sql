insert into rollup_details (session, automation, minute_at, metric, n)
values (?, ?, ?, ?, ?)
on conflict (automation, minute_at, metric, session) do update set n = rollup_details.n + excluded.n
