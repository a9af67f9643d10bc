update sessions set beat_at = :now, memory = coalesce(:memory, memory), processor = coalesce(:processor, processor),
                    child_queue = case when :child_queue = '' then null else coalesce(:child_queue, child_queue) end
where id = :session
