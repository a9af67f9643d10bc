"""Commands: every change of state, as a value. One file per noun; a handler of the store answers each command with a
result.

Commands of a run's owner carry `run` and `claim` and are refused (`Refused("claim_lost")`) once another process owns
the run. Operations of a person or program are wrapped in `AuditedCommand`.
"""
