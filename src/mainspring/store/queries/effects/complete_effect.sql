update effects set state = {{effect.complete}}, settled_at = ?1, result = ?2, refused = ?3, note = null
where key = ?4 and id = ?5 and intent = ?6 and state in {{effect_sources.complete}} and decided_by is null
