alter table runs add column fork blob;  -- JSON: domain.runs.fork_origin.ForkOrigin; null = it is no fork
