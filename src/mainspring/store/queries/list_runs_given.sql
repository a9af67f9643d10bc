select runs.id, runs.automation, runs.state from facts_taken join runs on runs.id = facts_taken.run
where facts_taken.kind = {{event}} and facts_taken.source = ? limit ?
