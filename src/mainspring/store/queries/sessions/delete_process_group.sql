delete from process_groups where session = ? and pgid = ?
