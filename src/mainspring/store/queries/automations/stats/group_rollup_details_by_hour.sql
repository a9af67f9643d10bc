insert into rollup_details (session, automation, minute_at, metric, n)
select 0, automation, minute_at - minute_at % 3600000 as hour_at, metric, sum(n) from rollup_details indexed by rollup_details_minute where session > 0 and minute_at < ?
group by automation, hour_at, metric
on conflict (automation, minute_at, metric, session) do update set n = rollup_details.n + excluded.n
