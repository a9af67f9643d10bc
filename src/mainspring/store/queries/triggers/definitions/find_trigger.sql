select triggers.automation, triggers.definition from triggers join automations on automations.name = triggers.automation
where triggers.name = ? and triggers.ended_at is null and automations.retired_at is null
