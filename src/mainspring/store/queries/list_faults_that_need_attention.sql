-- From the runs that need a person, which are few, to what they failed by: not through all failures that there ever were.
select distinct faults.automation, faults.fingerprint
from runs indexed by runs_state join faults indexed by faults_run on faults.run = runs.id
where runs.state = {{needs_attention}} and runs.state not in ({{running}}, {{succeeded}})
  and faults.state = {{needs_attention}} and faults.fingerprint is not null
