select name, automation, definition from triggers where ended_at is null
