-- A child whose parent has ended continues on its own: its next failure is reported separately.
update runs set state = {{target.reopen}}, ready = :ready, blocked = :blocked, due_at = :due_at, place = coalesce(cast(:due_at as bigint), :now) - priority * 60000,
                generation = :generation, undoing = :undoing, session = null, changed_at = :now, finished_at = null, reason = null, result = null, failure = null,
                failed_ident = null, detail = null, crashes = 0, drains = 0, probation = 0, fresh = 0,
                deadline_at = case when deadline_at <= :now then null else deadline_at end,
                close_policy = case when exists (select 1 from runs as parents where parents.id = runs.parent and parents.finished_at is not null)
                                    then 'keep' else close_policy end
where id = :run and state in {{sources.reopen}}
