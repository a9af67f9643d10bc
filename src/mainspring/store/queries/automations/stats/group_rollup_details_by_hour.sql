insert into rollup_details (session, automation, minute_at, what, n)
select 0, automation, minute_at - minute_at % 3600000 as hour_at, what, sum(n) from rollup_details indexed by rollup_details_minute where session > 0 and minute_at < ?
group by automation, hour_at, what
on conflict (automation, minute_at, what, session) do update set n = rollup_details.n + excluded.n
