update meta set value = cast(?1 as text) where key = 'epoch' and cast(value as bigint) < ?1
