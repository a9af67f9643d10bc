-- A future instant delays the monitoring of missing successes.
update automations set announced_at = announced_at + :by where announced_at > :pending
