select {{columns.effect_calls.effect_call}} from effect_calls where key = ? order by seq desc limit ?
