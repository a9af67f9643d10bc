select name, path from triggers where automation = ? and path is not null and ended_at is null order by name
