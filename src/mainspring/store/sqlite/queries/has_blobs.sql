select 1 from sqlite_schema where name = 'blob_references'
