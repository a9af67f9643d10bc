-- What needs a person before it can go on stays open: no word about the incident lets it go on.
update failures set settled_at = ?2, settled_how = {{member.resolved}}, settled_by = ?3
where incident = ?1 and settled_at is null and state = {{failed}}
