-- A run that needs a person before it can continue stays open: resolving the incident does not continue it.
update failures set settled_at = ?2, settlement = {{member.resolved}}, settled_by = ?3
where incident = ?1 and settled_at is null and state = {{failed}}
