alter table runs add column fork bytea;  -- JSON: domain.runs.fork_origin.ForkOrigin; null = it is no fork
