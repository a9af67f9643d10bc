insert into lock_tokens (name, token) values (?, 1) on conflict (name) do update set token = lock_tokens.token + 1 returning token
