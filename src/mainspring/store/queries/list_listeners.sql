select topics.trigger, topics.condition, triggers.definition from topics join triggers on triggers.name = topics.trigger
where topics.kind = ? and topics.name = ? and triggers.ended_at is null order by topics.trigger
