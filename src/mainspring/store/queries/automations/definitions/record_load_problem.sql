insert into automations (name, kind, version, definition, fingerprint, deploy, problem, announced_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict (name) do update set problem = excluded.problem, announced_at = excluded.announced_at
