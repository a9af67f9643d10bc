-- The updates of a chain stay as long as one of its runs: a repeated request finds its reply.
delete from run_updates where first_run in (select coalesce(chain, id) from runs where id in (select value from json_each(?1)))
  and not exists (select 1 from runs where coalesce(runs.chain, runs.id) = run_updates.first_run and runs.id not in (select value from json_each(?1)))
