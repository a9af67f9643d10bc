update deliveries set variant = '' where id = ?
