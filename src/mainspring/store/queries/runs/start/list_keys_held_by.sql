select automation, key, run from run_keys where holder = ?
