select name, announced_at, problem, paused_at, paused_until, retired_at from automations order by name
