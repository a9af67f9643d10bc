update run_updates set state = case when state in {{update_sources.return}} then {{update.return}} else state end, ident = null,
                       superseded = case when replied_at is null then null
                                         else (select journal.superseded from journal where journal.run = run_updates.run and journal.ident = run_updates.ident) end
where run = ? and exists (select 1 from journal where journal.run = run_updates.run and journal.ident = run_updates.ident
                                                  and journal.kind = {{update}} and journal.superseded is not null)
