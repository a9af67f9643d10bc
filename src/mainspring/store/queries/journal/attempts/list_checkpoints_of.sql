select {{columns.checkpoints.checkpoint_of_run}} from checkpoints where run in (select value from json_each(?))
