update queues set rate_next_us = ? where name = ?
