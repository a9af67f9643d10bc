insert into triggers (name, automation, kind, definition, path, problem, announced_at) values (?, ?, ?, ?, ?, ?, ?)
on conflict (name) do update set automation = excluded.automation, kind = excluded.kind, definition = excluded.definition, path = excluded.path,
                                 problem = excluded.problem, announced_at = excluded.announced_at, ended_at = null
