insert into lock_tokens (name, token) values (?, 1) on conflict (name) do update set token = token + 1 returning token
