update alerts set state = ?1, ended_at = ?2, fault = ?3 where seq = ?4 and channel = ?5 and state = {{unsent}}
