select {{columns.run_updates.update_view}} from run_updates where id = ?
