select distinct key from effect_calls where key >= ?1 and key < ?2 and outcome = ?3 order by key
