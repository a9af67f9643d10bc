-- The last rollout of one version.
select {{columns.rollouts.rollout}} from rollouts where automation = ? and new_version = ? order by id desc limit 1
