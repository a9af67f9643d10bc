-- Shared: a kill or a change waits for the answers that are under way, and they do not wait for one another.
select {{columns.flags.flag}} from flags where name = ? for share
