"""Schema: the columns of each table, once, and the rows that statements insert and read.

One file for each table, in the folders of the migrations: `schema/runs/runs.py` holds `TABLE` and the rows of `runs`. A
statement of `queries` gets its lists of columns from here by a placeholder (`store/texts.py`):

    {{columns.runs.claimed_run}}   the columns of the row CLAIMED_RUN of the table runs, as a list to select
    {{insert.runs.new_run}}        the columns of the row NEW_RUN, and a parameter for each
    {{unnest.runs.new_run}}        the same, from one array for each column

The migrations create the tables; a test compares each column here with those of both databases.
"""
