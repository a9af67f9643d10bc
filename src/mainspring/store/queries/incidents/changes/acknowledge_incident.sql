update incidents set state = {{incident.acknowledge}}, changed_at = ?1, snoozed_until = ?2, by = ?3, note = ?4 where id = ?5
