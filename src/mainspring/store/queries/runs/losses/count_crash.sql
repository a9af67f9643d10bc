update runs set crashes = crashes + 1 where id = ? and session = ? returning crashes
