insert into rollup_details (session, automation, minute_at, what, n)
values (?, ?, ?, ?, ?)
on conflict do update set n = n + excluded.n
