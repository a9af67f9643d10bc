insert into effect_calls {{insert.effect_calls.new_call}}
