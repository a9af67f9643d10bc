-- ?1 = a flag, or null for all; ?2 = since when
select {{columns.flag_uses.flag_use_count}} from flag_uses
where (cast(?1 as text) is null or flag = ?1) and hour_at >= ?2
group by flag, automation, side, reason
order by flag, automation, side, reason limit ?3
