select {{columns.runs.claim_row}}
from runs where session = ? and claimed_by_command = ?
