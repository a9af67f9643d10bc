"""Bounds of lists: what is last in every order, for first pages and for prefixes; how many groups there are."""

NEWEST = 2**63 - 1
"""Above the number of every row: the cursor of a first page."""
LAST = "\uffff"
"""Put behind the beginning of an id, it is above all ids that begin so."""
GROUPS = 100_000
"""So many groups of runs that wait for a worker are looked at: one for each queue, automation, version and tag."""
