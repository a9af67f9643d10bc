select run from partition_holds where queue = ? and partition = ?
