select queue, partition from holds where run = ?
