delete from partition_holds where run = ? returning queue, partition
