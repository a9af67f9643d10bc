select runs.id, runs.automation, runs.state from facts_taken join runs on runs.id = coalesce(facts_taken.receiver, facts_taken.run)
where facts_taken.kind = {{event}} and facts_taken.source = ? limit ?
