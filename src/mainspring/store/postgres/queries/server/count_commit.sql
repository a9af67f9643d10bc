insert into commits (writer, number, at) values (?, ?, ?)
on conflict (writer) do update set number = excluded.number, at = excluded.at
