-- What waited only to be told together with others is over before it was told; what a quiet hour holds back stays.
update alerts set state = {{dropped}}, ended_at = ?3 where incident = ?1 and opened = ?2 and state = {{unsent}} and due_at <= made_at + ?4
