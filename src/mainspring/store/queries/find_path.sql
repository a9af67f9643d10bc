select automation from triggers where path = ? and ended_at is null and name <> ?
