-- Including those that a person ordered to run again: superseded in their own generation, though they may have had their effect.
select {{columns.attempts.attempt_of_run}}
from attempts
where run in (select value from json_each(?)) and (superseded is null or superseded = generation and state in ({{started}}, {{lost}}, {{in_doubt}}))
  and not exists (select 1 from journal where run = attempts.run and ident = attempts.ident and superseded is null and generation = attempts.generation
                  and state <> {{cancelled}})
order by request_number, attempt
