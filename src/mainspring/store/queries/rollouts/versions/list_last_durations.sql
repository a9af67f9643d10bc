-- Durations (ms) of the last runs of one version that succeeded.
select finished_at - started_at from runs
where automation = ? and state = {{succeeded}} and version = ? and started_at is not null and finished_at is not null
order by seq desc limit ?
