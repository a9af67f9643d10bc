"""Effects of the ledger: `mainspring effects`."""
