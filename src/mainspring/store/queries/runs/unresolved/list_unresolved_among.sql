select {{columns.runs.run_row}}
from runs where id in (select value from json_each(?)) and state in {{reopenable}}
