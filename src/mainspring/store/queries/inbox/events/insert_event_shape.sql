insert into event_shapes (name, shape) values (?, ?) on conflict do nothing
