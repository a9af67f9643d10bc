select {{columns.effects.effect}} from effects where key > ? order by key limit ?
