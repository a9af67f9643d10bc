select runs.id from runs left join sessions on sessions.id = runs.session
where runs.finished_at is null
  and (runs.state = {{running}} and (sessions.id is null or sessions.state not in ({{alive}}, {{draining}}))
       or runs.state <> {{running}} and runs.session is not null)
order by runs.seq limit 20
