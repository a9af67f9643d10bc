select {{columns.runs.replayable_run}}
from runs where id in (select value from json_each(?)) order by id
