select {{columns.checkpoints.checkpoint}} from checkpoints where run = ?
