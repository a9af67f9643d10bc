update sessions set state = :state, ended_at = :now, freed = :freed where id = :session and state in ({{alive}}, {{draining}})
