update incidents set state = {{incident.resolve}}, changed_at = ?1, resolved_at = ?1, snoozed_until = null, by = ?2, note = ?3, facts = coalesce(?5, facts) where id = ?4
