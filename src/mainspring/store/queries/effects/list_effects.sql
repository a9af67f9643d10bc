select {{columns.effects.effect}} from effects
where (cast(:state as text) is null or state = :state) and (cast(:prefix as text) is null or substr(key, 1, length(:prefix)) = :prefix)
    and (cast(:text as text) is null or replace(key, :text, '') <> key)
    and (cast(:run as text) is null or run = :run) and (cast(:automation as text) is null or automation = :automation)
    and (cast(:since as bigint) is null or coalesce(settled_at, started_at) >= :since)
    and (cast(:before_at as bigint) is null or (coalesce(settled_at, started_at), key) < (:before_at, :before_key))
order by coalesce(settled_at, started_at) desc, key desc limit :limit
