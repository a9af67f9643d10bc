-- Which runs were given an event: for whoever looks at that event.
create index facts_taken_event on facts_taken (source) where kind = 'event';
