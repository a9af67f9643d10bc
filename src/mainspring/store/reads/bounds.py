"""What stands at the end of every order: for pages that begin at the newest row, and for all that begins with a text."""

NEWEST = 2**63 - 1
"""Above the number of every row: the cursor of a first page."""
LAST = "\uffff"
"""Put behind the beginning of an id, it is above all ids that begin so."""
