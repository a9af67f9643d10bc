update effects set state = {{effect.permit}}, settled_at = ?1, decided_by = ?2, disputed = 0
where run = ?3 and ident = ?4 and state in {{effect_sources.permit}}
