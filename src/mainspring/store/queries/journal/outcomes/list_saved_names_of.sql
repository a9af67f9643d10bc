-- The names that runs have saved; a run without any has one row.
select distinct runs.id, runs.version, journal.kind, journal.name
from runs left join journal on journal.run = runs.id and journal.superseded is null
where runs.id in (select value from json_each(?))
