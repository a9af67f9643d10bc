"""Bounds of lists: the last value of every order, for first pages and prefixes; the limit of groups."""

NEWEST = 2**63 - 1
"""Above the number of every row: the cursor of a first page."""
LAST = "\uffff"
"""Appended to the beginning of an id, it is above all ids with that beginning."""
GROUPS = 100_000
"""Limit of the groups of runs that wait for a worker: one for each queue, automation, version and tag."""
