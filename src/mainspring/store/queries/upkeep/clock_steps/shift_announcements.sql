-- What lies ahead holds up the watch for silence.
update automations set announced_at = announced_at + :by where announced_at > :pending
