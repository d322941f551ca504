"""Rows of the split as a spreadsheet can have them.

What lives here: flat columns, in which text that would be a formula begins with an apostrophe. What does not: which
rows, and the file that they become.
"""

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_BETWEEN = "|"


def flatten(rows: pa.Table) -> pa.Table:
    """The columns as a CSV can have them, and safe to open: one per model, and several labels with a bar between."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name in rows.column_names:
        column = rows[name]
        if pa.types.is_struct(column.type):
            for place, field in enumerate(column.type):
                columns[f"{name}.{field.name}"] = pc.struct_field(column, [place])
        elif pa.types.is_list(column.type):
            columns[name] = _disarm(pc.binary_join(column, _BETWEEN))
        elif pa.types.is_timestamp(column.type):
            columns[name] = pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
        else:
            is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            columns[name] = _disarm(column) if is_text else column
    return pa.table(columns)


def _disarm(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    mark, nothing = (pa.scalar(text, texts.type) for text in ("'", ""))
    return pc.if_else(
        pc.match_substring_regex(texts, _FORMULA), pc.binary_join_element_wise(mark, texts, nothing), texts
    )
