update effects set state = {{done}}, settled_at = ?1, decided_by = ?2 where run = ?3 and ident = ?4 and state in ({{unknown}}, {{in_doubt}})
