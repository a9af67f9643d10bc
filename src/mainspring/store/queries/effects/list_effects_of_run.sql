select {{columns.effects.effect}} from effects where run = ? order by started_at, key limit ?
