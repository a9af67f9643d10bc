delete from stalled_attempts where session = ?
