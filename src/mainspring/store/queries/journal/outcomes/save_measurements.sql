insert into measurements (run, rank, numbers) values (?, ?, ?) on conflict (run, rank) do nothing
