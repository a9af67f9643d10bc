select name, kind, version, definition, fingerprint, deploy, paused_at, paused_until, paused_by, pause_reason, retired_at, problem, announced_at
from automations where ?1 is null or name = ?1 order by name
