update runs set tags = coalesce(?, tags), progress = coalesce(?, progress), published = coalesce(?, published), detail = coalesce(?, detail)
where id = ? and claim = ? and coalesce(session, 0) = ?
