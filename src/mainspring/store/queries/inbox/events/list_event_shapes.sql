select shape from event_shapes where name = ?
