insert into partition_holds (queue, partition, run, held_at) values (?, ?, ?, ?) on conflict do nothing
