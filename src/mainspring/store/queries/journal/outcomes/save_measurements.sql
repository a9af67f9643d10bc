insert into measurements (run, ident, numbers) values (?, ?, ?) on conflict (run, ident) do update set numbers = excluded.numbers
