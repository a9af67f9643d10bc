update sessions set beat_at = :now, memory = coalesce(:memory, memory), processor = coalesce(:processor, processor) where id = :session
