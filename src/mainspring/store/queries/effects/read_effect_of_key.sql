select {{columns.effects.effect}} from effects where key = ?
