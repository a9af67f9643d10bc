update run_keys set holder = :run where automation = :automation and key = :key and holder = :old
