select {{columns.worker_losses.worker_loss}}
from worker_losses
where run in (select value from json_each(?1)) and resumed_claim = (select claim from runs where runs.id = worker_losses.run)
order by run, claim
