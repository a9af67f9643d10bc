insert into http_turns (target, owner, at) values (?, ?, ?) on conflict (target, owner) do update set at = excluded.at
