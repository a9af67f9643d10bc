select {{columns.effects.held_effect}} from effects left join sessions on sessions.id = effects.session where effects.key = ?
