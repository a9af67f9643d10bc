insert into secret_uses {{insert.secret_uses.new_secret_use}}
on conflict (hour_at, session, secret, version, provider, automation, step, actor) do update set
    number = secret_uses.number + 1, last_at = excluded.last_at, last_command = excluded.last_command
where secret_uses.last_command < excluded.last_command
