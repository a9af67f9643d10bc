select {{columns.effects.earlier_effect}} from effects where key >= ?1 and key < ?2 order by started_at, key
