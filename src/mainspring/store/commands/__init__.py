"""Every change of state, as a value. One file a noun; the handlers of a store answer each with a result.

Owner's commands carry `run` and `claim` and are refused (`Refused("claim_lost")`) once another process owns the run. Acts of a person or
program come wrapped in `Audited`.
"""
