update http_targets set base_at = base_at + :by, open_until_at = open_until_at + :by, probe_until_at = probe_until_at + :by
