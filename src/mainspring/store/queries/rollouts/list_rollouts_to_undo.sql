-- The last rollout of each version, if it failed, has this policy, and its old version is in force.
select {{columns.rollouts.rollout}} from rollouts
where in_flight = ? and state in ({{rollout.abort}}, {{rollout.roll_back}})
  and id in (select max(id) from rollouts group by automation, new_version)
  and old_version = (select automations.version from automations where automations.name = rollouts.automation)
order by id
