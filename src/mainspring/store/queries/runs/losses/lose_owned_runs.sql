-- A run is put on probation if a surviving supervisor saw the process die (`crashed`), or if the process is the third one, or a later one,
-- that died together with its supervisor (`unexplained`) since the run made progress.
update runs set state = {{target.lose}}, session = null, ready = 1, due_at = null, changed_at = :now, losses = losses + 1,
                probation = case when :crashed > 0 then 1
                                 when :unexplained > 0 and losses + 1 >= :limit
                                      and (select count(*) from worker_losses
                                           where run = runs.id and noticed in {{unexplained_losses}}
                                             and claim >= coalesce((select claim from journal where journal.run = runs.id
                                                                    order by rank desc limit 1), 0)) >= :limit then 1
                                 else probation end
where session = :session and state in {{sources.lose}}
