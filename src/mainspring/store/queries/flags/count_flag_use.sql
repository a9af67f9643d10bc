-- A command without a number (0) is of a process without a session: sent again, it counts twice.
insert into flag_uses {{insert.flag_uses.new_flag_use}}
on conflict (hour_at, session, flag, automation, side, reason) do update set
    number = flag_uses.number + excluded.number, last_at = excluded.last_at, last_command = excluded.last_command
where flag_uses.last_command < excluded.last_command or excluded.last_command = 0
