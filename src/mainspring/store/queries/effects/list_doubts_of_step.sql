select key from effects where run = ?1 and ident = ?2 and state in ({{unknown}}, {{in_doubt}}) order by key
