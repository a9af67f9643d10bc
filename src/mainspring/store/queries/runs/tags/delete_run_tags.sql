delete from run_tags where run = ?
