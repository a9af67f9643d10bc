select {{columns.runs.run_row}}
from runs where id >= ? and id < ? order by id desc limit ?
