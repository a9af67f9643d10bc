select triggers.automation from triggers join automations on automations.name = triggers.automation
where triggers.path = ? and triggers.ended_at is null and triggers.name <> ? and automations.retired_at is null
