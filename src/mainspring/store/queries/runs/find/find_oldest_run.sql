select created_at from runs where automation = ? order by seq limit 1
