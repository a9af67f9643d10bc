"""Operations of a person or program, one function each: it takes an actor, a reason and a command id, and commits with its audit row.

The same command id twice has one effect and returns the first answer. Refusals of the store become errors of domain.errors with a fix.
Nothing here reads the environment or the clock: callers pass facts and the clock.
"""
