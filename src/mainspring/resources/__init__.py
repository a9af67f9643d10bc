"""Resources of a running step: locks, flags, the ledger of effects, secrets."""
