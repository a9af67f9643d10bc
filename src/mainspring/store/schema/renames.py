"""Renames: the statements that rename an automation wherever a column refers to it (`Column.refers_to`).

A new table needs no statement of its own: its marked columns are renamed. `?1` is the new name, `?2` the old one. A row
whose new name would meet another row of a key stays as it is; where figures are added up, it is added to that row.
"""

from functools import cache

from mainspring.store.schema.table import Column, Reference, TableSchema, load_tables


@cache
def rename_statements() -> dict[str, str]:
    """Return the statements by name, in the order in which they run: what others are found by is renamed first."""
    columns = [(table, column) for table in load_tables() for column in table.columns if column.refers_to is not None]
    columns.sort(key=lambda pair: (pair[1].refers_to is not Reference.AUTOMATION, pair[0].name != "automations"))
    return {f"rename_{column.name}_of_{table.name}": _statement(table, column) for table, column in columns}


def _statement(table: TableSchema, column: Column) -> str:
    if table.sums or table.maxima:
        return _addition(table, column)
    new = _new_value(table, column)
    conditions = [_found_by(table, column)]
    if column.only_if:
        conditions.append(f"{table.name}.{column.only_if}")
    for key in table.keys:
        if column.name in key:
            same = [f"other.{name} = {table.name}.{name}" for name in key if name != column.name]
            fits = " and ".join([*same, f"other.{column.name} = {new}"])
            conditions.append(f"not exists (select 1 from {table.name} as other where {fits})")  # noqa: S608 - constant names
    return f"update {table.name} set {column.name} = {new}\nwhere {' and '.join(conditions)}"  # noqa: S608 - constant names


def _new_value(table: TableSchema, column: Column) -> str:
    match column.refers_to:
        case Reference.AUTOMATION:
            return "?1"
        case Reference.SUBJECT:
            return "'automation:' || ?1"
    return f"?1 || substr({table.name}.{column.name}, length(?2) + 1)"


def _found_by(table: TableSchema, column: Column) -> str:
    """Return the condition of rows that have the old name; names of triggers are a range of the index."""
    name = f"{table.name}.{column.name}"
    match column.refers_to:
        case Reference.AUTOMATION:
            return f"{name} = ?2"
        case Reference.SUBJECT:
            return f"{name} = 'automation:' || ?2"
        case Reference.TRIGGER:
            return f"{name} >= ?2 || '/' and {name} < ?2 || '0' and substr({name}, length(?2) + 2) not like '%/%'"
    renamed = [other.name for other in table.columns if other.refers_to is Reference.AUTOMATION]
    owner = f"{table.name}.{renamed[0]} = ?1 and " if renamed else ""
    return f"{owner}({name} = ?2 or substr({name}, 1, length(?2) + 1) = ?2 || '#')"


def _addition(table: TableSchema, column: Column) -> str:
    """Return the statement that adds figures to those of the new name; the old rows are deleted after it."""
    (key,) = table.keys
    names = [other.name for other in table.columns]
    values = ["?1" if name == column.name else name for name in names]
    sets = [f"{name} = {table.name}.{name} + excluded.{name}" for name in table.sums]
    sets += [
        f"{name} = case when excluded.{name} > {table.name}.{name} then excluded.{name} else {table.name}.{name} end"
        for name in table.maxima
    ]
    return (
        f"insert into {table.name} ({', '.join(names)})\nselect {', '.join(values)} from {table.name}"
        f" where {column.name} = ?2\non conflict ({', '.join(key)}) do update set {', '.join(sets)}"
    )
