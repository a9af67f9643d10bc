select {{columns.flags.flag}} from flags order by name
