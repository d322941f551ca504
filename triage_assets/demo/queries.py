"""How the annotator's API reads a query, and the errors it answers where it cannot.

What lives here: parameters, validation faults and the form of an answer. What does not: what is answered (`answers`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Query = Mapping[str, Sequence[str]]
JsonObject = dict[str, object]

_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API."""

    status: int
    body: bytes
    content_type: str = "application/json"


class Rejection(Exception):  # noqa: N818 - an answer that ends the handling of a request, not a fault of the program
    """Raised inside a handler to answer with an error."""

    def __init__(self, status: int, detail: object) -> None:
        super().__init__(status, detail)
        self.answer = detail_answer(status, detail)


def json_answer(value: object, status: int = 200) -> Answer:
    """A JSON answer; NaN passes as the bare word, the way the real server lets it."""
    return Answer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def detail_answer(status: int, detail: object) -> Answer:
    """An error in the API's form."""
    return json_answer({"detail": detail}, status)


def path_id(value: str, name: str) -> int:
    """An id of the path. Rejects what is no integer with 422 and what the database cannot hold with 500."""
    try:
        number = int(value)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise Rejection(422, [fault("int_parsing", name, message, value, place="path")]) from None
    if abs(number) > _MAX_INT32:
        raise Rejection(500, "An internal server error occurred")
    return number


def fault(kind: str, name: str, message: str, value: str, *, place: str = "query", **context: object) -> JsonObject:
    """One validation fault in the API's form."""
    described: JsonObject = {"type": kind, "loc": [place, name], "msg": message, "input": value}
    if context:
        described["ctx"] = context
    return described


def paging(query: Query) -> tuple[int, int]:
    """The page and its size. Rejects what is out of bounds with 422."""
    return _bounded(query, "page", 1, None), _bounded(query, "size", 50, 100)


def _bounded(query: Query, name: str, default: int, most: int | None) -> int:
    value = integer(query, name, doubled=True)
    if value is None:
        return default
    text = query[name][-1]
    # The real server resolves its paging parameters twice and reports each fault twice.
    if value < 1:
        one = fault("greater_than_equal", name, "Input should be greater than or equal to 1", text, ge=1)
        raise Rejection(422, [one, one])
    if most is not None and value > most:
        one = fault("less_than_equal", name, f"Input should be less than or equal to {most}", text, le=most)
        raise Rejection(422, [one, one])
    return value


def integer(query: Query, name: str, *, doubled: bool = False) -> int | None:
    """An integer parameter, or none. Rejects other text with 422 and what the database cannot hold with 500."""
    if name not in query:
        return None
    text = query[name][-1]
    try:
        number = int(text)
    except ValueError:
        one = fault("int_parsing", name, "Input should be a valid integer, unable to parse string as an integer", text)
        raise Rejection(422, [one, one] if doubled else [one]) from None
    if abs(number) > _MAX_INT32:
        raise Rejection(500, "An internal server error occurred")
    return number


def boolean(query: Query, name: str) -> bool:
    """A boolean parameter, false where it is absent. Rejects other text with 422."""
    text = query.get(name, ["false"])[-1].lower()
    if text not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        message = "Input should be a valid boolean, unable to interpret input"
        raise Rejection(422, [fault("bool_parsing", name, message, text)])
    return text in ("true", "1", "yes", "on")


def choice(query: Query, name: str, allowed: tuple[str, str], default: str) -> str:
    """A parameter with two possible values. Rejects others with 422."""
    value = query.get(name, [default])[-1]
    if value not in allowed:
        words = f"'{allowed[0]}' or '{allowed[1]}'"
        raise Rejection(422, [fault("enum", name, f"Input should be {words}", value, expected=words)])
    return value


def moment(text: str, name: str) -> datetime:
    """A time. Rejects other text with 422."""
    try:
        # A plus sign that a client forgot to quote arrives as a space.
        parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        message = "Input should be a valid datetime or date, invalid character in year"
        one = fault("datetime_from_date_parsing", name, message, text, error="invalid character in year")
        raise Rejection(422, [one]) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
