select name, kind, version, definition, fingerprint, deploy, paused_at, paused_until, paused_by, pause_reason, retired_at, problem, announced_at
from automations where cast(?1 as text) is null or name = ?1 order by name
