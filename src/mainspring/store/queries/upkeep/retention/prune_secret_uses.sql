delete from secret_uses where hour_at < ?
