select {{columns.runs.run_row}}
from runs where queue = ? and state = {{running}} limit ?
