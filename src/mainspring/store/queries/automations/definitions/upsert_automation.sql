insert into automations (name, kind, version, definition, fingerprint, deploy, problem, announced_at) values (?, ?, ?, ?, ?, ?, ?, ?)
on conflict (name) do update set kind = excluded.kind, version = excluded.version, definition = excluded.definition,
                                 fingerprint = excluded.fingerprint, deploy = excluded.deploy, problem = excluded.problem,
                                 announced_at = excluded.announced_at
