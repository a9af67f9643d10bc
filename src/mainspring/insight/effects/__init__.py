"""Effects of the ledger, for people: their windows, their holders and what a person can do."""
