select {{columns.rollouts.rollout}} from rollouts
where (cast(?1 as text) is null or automation = ?1) and (?2 = 0 or state in {{active_rollouts}}) order by id desc limit ?3
