update journal set superseded = ?1 where run = ?2 and asked >= ?3 and rank >= ?4 and superseded is null
