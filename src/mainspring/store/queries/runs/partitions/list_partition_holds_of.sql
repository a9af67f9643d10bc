select queue, partition from partition_holds where run = ?
