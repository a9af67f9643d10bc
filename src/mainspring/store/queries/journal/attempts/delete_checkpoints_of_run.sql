delete from checkpoints where run = ?
