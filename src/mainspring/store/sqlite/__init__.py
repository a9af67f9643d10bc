"""The store on one SQLite file, shared by several processes of one machine."""
