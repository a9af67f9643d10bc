delete from blob_contents where day = ? and address <> all (cast(? as text[])) returning address
