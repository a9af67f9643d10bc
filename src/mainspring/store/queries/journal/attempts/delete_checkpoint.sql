delete from checkpoints where run = ? and ident = ?
