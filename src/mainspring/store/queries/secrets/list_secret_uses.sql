-- ?1 = a secret, or null for all; ?2 to ?3 = the hours
select {{columns.secret_uses.secret_use_count}} from secret_uses
where (cast(?1 as text) is null or secret = ?1) and hour_at >= ?2 and hour_at < ?3
group by hour_at, secret, version, provider, automation, step, actor
order by hour_at desc, secret, version, provider, automation, step, actor limit ?4
