-- As list_automations, for some automations.
select name, kind, version, definition, fingerprint, deploy, paused_at, paused_until, paused_by, pause_reason, retired_at, problem, announced_at
from automations where name in (select requested.value from json_each(?1) as requested) order by name
