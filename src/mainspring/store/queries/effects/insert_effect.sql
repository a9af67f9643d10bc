insert into effects {{insert.effects.new_effect}} on conflict (key) do nothing
