delete from effects where key >= ?1 and key < ?2
