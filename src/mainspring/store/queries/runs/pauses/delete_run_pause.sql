delete from run_pauses where run = ?
