insert into holds (queue, partition, run, held_at) values (?, ?, ?, ?) on conflict do nothing
