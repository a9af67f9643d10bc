-- The last use of each version since ?1.
select secret, version, automation, step, actor, last_at from (
    select secret, version, automation, step, actor, last_at,
        row_number() over (partition by secret, version order by last_at desc, automation, step, actor) as place
    from secret_uses where last_at >= ?1
) as uses where place = 1 order by secret, last_at desc
