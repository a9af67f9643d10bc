select key, value from meta where key in ('move.to', 'move.from')
