select {{columns.runs.run_row}}
from runs where parent = ? order by seq limit ?
