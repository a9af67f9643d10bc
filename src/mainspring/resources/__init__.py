"""What a running step may ask for: locks, flags, the ledger of effects, secrets."""
