update failures set settled_at = ?2, settlement = ?3, settled_by = ?4 where run = ?1 and settled_at is null
