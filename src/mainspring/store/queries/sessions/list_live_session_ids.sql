select id from sessions where state in ({{alive}}, {{draining}})
