update deliveries set key = key || '#' || id where id = ?
