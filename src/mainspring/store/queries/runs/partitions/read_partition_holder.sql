select run from holds where queue = ? and partition = ?
