select topics.trigger, topics.condition, triggers.definition
from topics join triggers on triggers.name = topics.trigger join automations on automations.name = triggers.automation
where topics.kind = ? and topics.name = ? and triggers.ended_at is null and automations.retired_at is null order by topics.trigger
