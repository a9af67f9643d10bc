select automation, definition from triggers where name = ? and ended_at is null
