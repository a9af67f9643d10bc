select {{columns.effect_calls.effect_call}} from effect_calls where run = ? order by seq limit ?
