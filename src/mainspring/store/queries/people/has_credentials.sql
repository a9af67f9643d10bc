select exists (select 1 from people) or exists (select 1 from api_tokens where until_at is null or until_at > ?1)
       or exists (select 1 from start_links where until_at > ?1)
