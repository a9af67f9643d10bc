select {{columns.runs.run_view}}
from runs where id = ?
