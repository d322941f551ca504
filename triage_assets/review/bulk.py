"""Many rows at once, between Arrow tables and the review database, at the speed of either database.

What lives here: inserting, updating and reading rows by the hundred thousand. What does not: which rows those are.

SQLite takes and gives tuples of Python objects, a chunk at a time; PostgreSQL takes and gives CSV through COPY, which
Arrow writes and reads without making an object per value.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, String, Table, cast, func, select
from sqlalchemy.exc import DBAPIError

_ROWS_AT_ONCE = 50_000
_IDS_AT_ONCE = 10_000  # SQLite takes 32,766 values in a statement, PostgreSQL 65,535


def insert_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Insert rows whose columns are named and typed like the table's; columns that are not given are defaults."""
    names = ", ".join(rows.column_names)
    with _without_indexes(connection, table, len(rows)):
        if _is_sqlite(connection):
            marks = ", ".join("?" * rows.num_columns)
            _execute_many(connection, f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608
        else:
            _copy_in(connection, table.name, rows)


def update_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Update rows by their key, which is the first column given; those that are not there are left out."""
    key, *names = rows.column_names
    if _is_sqlite(connection):
        changes = ", ".join(f"{name} = ?" for name in names)
        statement = f"UPDATE {table.name} SET {changes} WHERE {key} = ?"  # noqa: S608
        _execute_many(connection, statement, rows.select([*names, key]))
        return
    changes = ", ".join(f"{name} = incoming.{name}" for name in names)
    columns = ", ".join(rows.column_names)
    connection.exec_driver_sql(f"CREATE TEMP TABLE incoming AS SELECT {columns} FROM {table.name} WITH NO DATA")  # noqa: S608
    _copy_in(connection, "incoming", rows)
    connection.exec_driver_sql(
        f"UPDATE {table.name} SET {changes} FROM incoming WHERE {table.name}.{key} = incoming.{key}"  # noqa: S608
    )
    connection.exec_driver_sql("DROP TABLE incoming")


def read_rows(connection: Connection, query: Select[Any], schema: pa.Schema) -> pa.Table:
    """The answer to a query, whose columns come in the order and types of ``schema``."""
    statement = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    return _fetch(connection, statement, schema) if _is_sqlite(connection) else _copy_out(connection, statement, schema)


def read_ids(connection: Connection, query: Select[tuple[int]]) -> NDArray[np.int64]:
    """The answer to a query for one column of whole numbers, ``id``, in ascending order."""
    if _is_sqlite(connection):
        # As one text, which SQLite puts together four times as fast as Python takes a million tuples.
        rows = query.subquery()
        text = connection.execute(select(func.group_concat(rows.c.id))).scalar()
        ids = np.fromstring(text or "", np.int64, sep=",")
    else:
        ids = read_rows(connection, query, pa.schema([("id", pa.int64())]))["id"].to_numpy().copy()
    ids.sort()
    return ids


def read_ids_by(
    connection: Connection, key: ColumnElement[str], ids: ColumnElement[int]
) -> dict[str, NDArray[np.int64]]:
    """Every id in ascending order, by a text that its row has."""
    texts = select(key, func.aggregate_strings(cast(ids, String), ",")).group_by(key)
    found = {name: np.fromstring(text, np.int64, sep=",") for name, text in connection.execute(texts)}
    return {name: np.sort(some) for name, some in found.items()}


def in_pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The ids in pieces that one statement can name."""
    return (ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE))


@contextmanager
def _without_indexes(connection: Connection, table: Table, n_rows: int) -> Iterator[None]:
    """Make the indexes of a table anew after many rows came into it while it was empty: sorting takes half the time.

    Not on PostgreSQL, where dropping an index keeps everybody from reading the table until the transaction ends.
    """
    is_many = n_rows >= _ROWS_AT_ONCE and _is_sqlite(connection)
    is_first = is_many and connection.execute(select(*table.primary_key).limit(1)).first() is None
    indexes = sorted(table.indexes, key=lambda index: str(index.name)) if is_first else []
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _execute_many(connection: Connection, statement: str, rows: pa.Table) -> None:
    for batch in filter(len, rows.to_batches(max_chunksize=_ROWS_AT_ONCE)):  # no values at all are no list of them
        connection.exec_driver_sql(statement, list(zip(*map(_to_sqlite, batch.columns), strict=True)))


def _to_sqlite(column: pa.Array) -> list[Any]:
    """Values as SQLAlchemy's own types keep them in SQLite."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.string())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    is_plain = column.null_count == 0 and pa.types.is_primitive(column.type)
    values: list[Any] = column.to_numpy().tolist() if is_plain else column.to_pylist()
    return values


def _fetch(connection: Connection, statement: str, schema: pa.Schema) -> pa.Table:
    with _cursor(connection, statement) as cursor:
        cursor.execute(statement)
        batches = []
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            columns = zip(zip(*rows, strict=True), schema.types, strict=True)
            batches.append(pa.record_batch([_from_sqlite(*column) for column in columns], schema=schema))
    return pa.Table.from_batches(batches, schema)


def _from_sqlite(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(values, pa.int8()).cast(kind)
    return pa.array(values, kind)


def _copy_in(connection: Connection, table_name: str, rows: pa.Table) -> None:
    statement = f"COPY {table_name} ({', '.join(rows.column_names)}) FROM STDIN (FORMAT csv)"
    with _cursor(connection, statement) as cursor, cursor.copy(statement) as copy:
        for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
            text = io.BytesIO()
            pyarrow.csv.write_csv(batch, text, pyarrow.csv.WriteOptions(include_header=False))
            copy.write(text.getbuffer())


def _copy_out(connection: Connection, statement: str, schema: pa.Schema) -> pa.Table:
    statement = f"COPY ({statement}) TO STDOUT (FORMAT csv)"
    text = io.BytesIO()
    with _cursor(connection, statement) as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            text.write(piece)
    if not text.tell():
        return schema.empty_table()
    text.seek(0)
    return pyarrow.csv.read_csv(
        text,
        read_options=pyarrow.csv.ReadOptions(column_names=schema.names),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=schema,
            null_values=[""],  # PostgreSQL writes nothing for null and two quotes for an empty text
            quoted_strings_can_be_null=False,
            strings_can_be_null=True,
            true_values=["t"],
            false_values=["f"],
        ),
    ).cast(schema)


@contextmanager
def _cursor(connection: Connection, statement: str) -> Iterator[Any]:
    """The driver's own cursor, whose errors come as SQLAlchemy's."""
    cursor = connection.connection.cursor()
    driver = connection.dialect.loaded_dbapi
    try:
        yield cursor
    except driver.Error as error:
        raise DBAPIError.instance(statement, None, error, driver.Error, dialect=connection.dialect) from error
    finally:
        cursor.close()
