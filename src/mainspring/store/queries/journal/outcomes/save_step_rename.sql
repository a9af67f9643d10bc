insert into step_renames (run, old_name, new_name, at)
values (?, ?, ?, ?)
on conflict (run, old_name) do update set new_name = excluded.new_name, at = excluded.at
