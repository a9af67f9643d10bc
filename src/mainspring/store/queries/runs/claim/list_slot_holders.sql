select {{columns.runs.run_row}}
from runs where automation = ? and concurrency_key = ? and has_slot = 1 limit ?
