insert into rollup_details (session, automation, minute_at, what, n)
values (?, ?, ?, ?, ?)
on conflict (automation, minute_at, what, session) do update set n = rollup_details.n + excluded.n
