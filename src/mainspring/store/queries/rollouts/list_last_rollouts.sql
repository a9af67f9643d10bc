-- The last rollout of each automation that had one.
select {{columns.rollouts.rollout}} from rollouts where id in (select max(id) from rollouts group by automation) order by automation
