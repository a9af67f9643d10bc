update http_targets set open_until_at = open_until_at + :by, probe_until_at = probe_until_at + :by
where open_until_at > :pending or probe_until_at > :pending
