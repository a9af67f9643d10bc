-- A delivery whose filter said no, or has not run yet, holds its key against no other body. See docs/adr/0007-what-arrives-is-a-delivery.md.
alter table deliveries add column variant text collate "C" not null default '';  -- '' = it holds its key; else the hash of its body
update deliveries set variant = body_hash
where body_hash is not null and (state = 'filtered' or (state = 'received' and filtered = 1));
drop index deliveries_key;
create unique index deliveries_key on deliveries (trigger, key, variant);
