-- Of processes that ended long ago; the writer of a file stays.
delete from commits where writer <> '' and at < ?
