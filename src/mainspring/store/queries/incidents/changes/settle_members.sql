-- A success settles the members of its own run, and those of earlier runs of the same item. ?1 = JSON list of the runs that succeeded. ?3 = 1
-- where they are recorded after the fact: then what counts is when they began, not the order in which they are told.
update faults set settled_at = ?2, settled_by = me.id,
                  settled_how = case when faults.run = me.id then {{member.succeeded}}
                                     when me.healthy = {{healthy.item}} then {{member.item_succeeded}}
                                     else {{member.automation_succeeded}} end
from (select id, seq, automation, healthy, coalesce(item, id) as item, created_at
      from runs where id in (select value from json_each(?1))) as me
where faults.settled_at is null and faults.automation = me.automation and faults.healthy = me.healthy and faults.item = me.item
  and exists (select 1 from runs as failed where failed.id = faults.run and failed.seq <= me.seq
              and (cast(?3 as bigint) = 0 or failed.created_at <= me.created_at))
