select {{columns.run_pauses.run_pause}} from run_pauses where run = ?
