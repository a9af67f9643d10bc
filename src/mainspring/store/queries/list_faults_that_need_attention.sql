select distinct faults.automation, faults.fingerprint
from runs join faults on faults.run = runs.id
where runs.state = {{needs_attention}} and faults.state = {{needs_attention}} and faults.fingerprint is not null
