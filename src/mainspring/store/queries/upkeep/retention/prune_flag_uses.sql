delete from flag_uses where hour_at < ?
