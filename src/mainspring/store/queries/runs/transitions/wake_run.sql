update runs set ready = 1, place = ? - priority * 60000 where id = ? and +ready = 0 and state || '' in ({{waiting}}, {{retrying}})
