-- An attempt gets its row when it has run for a second.
select distinct runs.automation, runs.version from runs join attempts on attempts.run = runs.id
where runs.state = {{running}} and attempts.state = {{started}} and attempts.superseded is null and attempts.started_at < ?
