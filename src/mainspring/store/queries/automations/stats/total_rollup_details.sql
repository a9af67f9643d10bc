insert into rollup_details (session, automation, minute_at, metric, n)
select 0, automation, 0, metric, sum(n) from rollup_details indexed by rollup_details_minute where minute_at > 0 and minute_at < ?
group by automation, metric
on conflict (automation, minute_at, metric, session) do update set n = rollup_details.n + excluded.n
