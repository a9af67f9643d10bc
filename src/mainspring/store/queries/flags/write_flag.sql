insert into flags {{insert.flags.new_flag}}
on conflict (name) do update set
    on_value = excluded.on_value, off_value = excluded.off_value, rules = excluded.rules, owner = excluded.owner, about = excluded.about,
    expires_at = excluded.expires_at, killed_at = excluded.killed_at, changed_at = excluded.changed_at, revision = excluded.revision
