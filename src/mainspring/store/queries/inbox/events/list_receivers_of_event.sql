select runs.id, runs.automation, runs.state from consumed_facts join runs on runs.id = coalesce(consumed_facts.receiver, consumed_facts.run)
where consumed_facts.kind = {{event}} and consumed_facts.source = ? limit ?
