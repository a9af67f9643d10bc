insert into run_forks (source, fork) values (?, ?)
