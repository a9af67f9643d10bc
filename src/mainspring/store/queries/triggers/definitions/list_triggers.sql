select triggers.name, triggers.automation, triggers.kind, triggers.definition, triggers.path, triggers.problem, automations.definition,
       automations.paused_at, automations.paused_until
from triggers join automations on automations.name = triggers.automation
where triggers.ended_at is null and automations.retired_at is null order by triggers.name
