insert into queues (name) values (?) on conflict do nothing
