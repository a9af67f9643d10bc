select min(opened_at) from sessions where state in ({{alive}}, {{draining}})
