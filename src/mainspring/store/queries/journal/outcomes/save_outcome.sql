insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, failure, undo, started_at, at,
                     duration_us, requested_after)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?19
where exists (select 1 from runs where id = ?1 and claim = ?10 and coalesce(session, 0) = ?18)
on conflict do nothing
