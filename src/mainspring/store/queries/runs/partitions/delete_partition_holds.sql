delete from holds where run = ? returning queue, partition
