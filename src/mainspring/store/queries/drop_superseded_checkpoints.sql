delete from checkpoints where run = ?1 and ident in (select ident from journal where run = ?1 and superseded = ?2)
