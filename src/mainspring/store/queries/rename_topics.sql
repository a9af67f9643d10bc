delete from topics where substr(trigger, 1, length(?2) + 1) = ?2 || '/' and ?1 <> ?2
