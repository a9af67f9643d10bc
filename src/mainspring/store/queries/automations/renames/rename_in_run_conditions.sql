update run_conditions set subject = 'automation:' || ?1
where subject = 'automation:' || ?2
  and not exists (select 1 from run_conditions as other
                  where other.kind = run_conditions.kind and other.subject = 'automation:' || ?1 and other.at = run_conditions.at)
