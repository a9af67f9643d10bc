select {{columns.journal.outcome_of_run}}
from journal where run in (select value from json_each(?)) order by run, rank
