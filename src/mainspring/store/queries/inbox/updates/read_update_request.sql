select run, name, input_hash from run_updates where id = ?
