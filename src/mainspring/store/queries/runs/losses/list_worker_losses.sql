select {{columns.worker_losses.worker_loss}}
from worker_losses where run = ? order by claim desc limit ?
