select {{columns.run_updates.update_view}} from run_updates where run = ? order by seq desc limit ?
