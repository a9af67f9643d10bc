insert into run_forks (source, fork) values (?, ?) on conflict do nothing
