update incidents set state = {{incident.wake}}, changed_at = ?1, snoozed_until = null where id = ?2
