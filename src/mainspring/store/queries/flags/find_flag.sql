select {{columns.flags.flag}} from flags where name = ?
