update lock_waiters set until_at = until_at + :by where until_at > :pending
