update effects set state = {{effect.complete}}, settled_at = ?1, result = ?2, refused = ?3, note = null
where key = ?4 and intent = ?5 and state in {{effect_sources.complete}}
