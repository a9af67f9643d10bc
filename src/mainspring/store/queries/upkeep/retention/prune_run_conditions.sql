-- The newest of each automation stays, of hosts only the newest of all: each container is one. A search of all conditions of a kind for
-- each row would delay every commit.
delete from run_conditions
where at < ?1
  and (exists (select 1 from run_conditions as newer
               where newer.kind = run_conditions.kind and newer.subject = run_conditions.subject and newer.at > run_conditions.at)
       or (subject like 'host:%'
           and exists (select 1 from run_conditions as newer
                       where newer.kind = run_conditions.kind and newer.subject like 'host:%' and newer.at > run_conditions.at)))
