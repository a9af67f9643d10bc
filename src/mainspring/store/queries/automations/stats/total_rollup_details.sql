insert into rollup_details (session, automation, minute_at, what, n)
select 0, automation, 0, what, sum(n) from rollup_details indexed by rollup_details_minute where minute_at > 0 and minute_at < ?
group by automation, what
on conflict (automation, minute_at, what, session) do update set n = rollup_details.n + excluded.n
