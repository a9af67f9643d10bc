select name, kind, version, definition, fingerprint, deploy, paused_at, paused_until, paused_by, pause_reason, retired_at, problem, announced_at
from automations order by name
