insert into start_links (hash, until_at) values (?1, ?2) on conflict (hash) do nothing
