update http_turns set at = at + :by where at > :pending
