"""One function per act of a person or program: each takes an actor, a reason and a command id, and is one commit with its audit row.

The same command id twice acts once and returns the first answer. Refusals of the store come out as errors of domain.errors with the
way to mend them. Nothing here reads the environment or the clock: facts, and the clock, are handed in.
"""
