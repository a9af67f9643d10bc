update clock_steps set stage = ?1, reached = ?2, moved = moved + ?3, ended_at = ?4 where seq = ?5
