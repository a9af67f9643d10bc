-- A step before the request that may or may not have had its effect: by its outcome, or by an attempt that no outcome settles.
select ident from journal
where run = ?1 and superseded is null and request_number < ?2 and state in ({{in_doubt}}, {{refused}})
union
select ident from attempts
where run = ?1 and superseded is null and request_number < ?2 and state = {{in_doubt}}
  and not exists (select 1 from journal where journal.run = attempts.run and journal.ident = attempts.ident and journal.superseded is null
                  and journal.state in ({{succeeded}}, {{failed}}))
limit 1
