-- A failure that is recorded after a later success of the same item: that success settles it.
update failures set settled_at = ?2, settlement = {{member.automation_succeeded}}
where run = ?1 and settled_at is null and exists (
    select 1 from runs as me join runs as later on later.automation = me.automation and later.healthy = me.healthy
        and coalesce(later.item, later.id) = coalesce(me.item, me.id)
    where me.id = ?1 and later.state = {{succeeded}} and later.created_at >= me.created_at
)
