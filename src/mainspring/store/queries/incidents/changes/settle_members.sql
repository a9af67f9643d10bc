-- A success settles the members of its own run, and those of earlier runs of the same item. ?1 = JSON list of the runs that succeeded. ?3 =
-- 1 if they are recorded after the fact: then their start instants count, not the order of the records.
update failures set settled_at = ?2, settled_by = me.id,
                  settlement = case when failures.run = me.id then {{member.succeeded}}
                                     when me.healthy = {{healthy.item}} then {{member.item_succeeded}}
                                     else {{member.automation_succeeded}} end
from (select id, seq, automation, healthy, coalesce(item, id) as item, created_at
      from runs where id in (select value from json_each(?1))) as me
where failures.settled_at is null and failures.automation = me.automation and failures.healthy = me.healthy and failures.item = me.item
  and exists (select 1 from runs as failed where failed.id = failures.run and failed.seq <= me.seq
              and (cast(?3 as bigint) = 0 or failed.created_at <= me.created_at))
