-- A step of a run whose effect may have happened: by its outcome, or by an attempt that no outcome settles.
select ident from journal where run = ?1 and superseded is null and state in ({{in_doubt}}, {{refused}})
union
select ident from attempts
where run = ?1 and superseded is null and state in ({{started}}, {{lost}}, {{in_doubt}})
  and not exists (select 1 from journal where journal.run = attempts.run and journal.ident = attempts.ident and journal.superseded is null)
limit 1
