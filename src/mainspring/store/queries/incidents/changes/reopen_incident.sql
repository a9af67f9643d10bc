update incidents set state = {{incident.reopen}}, severity = ?1, text = ?2, hint = ?3, facts = ?4, since_at = ?5, opened_at = ?6, changed_at = ?6,
                     seen_at = ?6, resolved_at = null, snoozed_until = null, opened = opened + 1, number = ?7, by = null, note = null, parent = ?8
where id = ?9
