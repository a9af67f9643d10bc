update start_links set until_at = until_at + :by where until_at > :pending
