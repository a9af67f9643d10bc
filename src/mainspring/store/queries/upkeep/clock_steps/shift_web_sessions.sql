update web_sessions set until_at = until_at + :by, seen_at = seen_at + :by where until_at > :pending
