select evidence from rollouts where id = ?
