"""One line out of pydantic's account of what is wrong with a file.

What lives here: only that wording, shared by everything that reads a file made elsewhere. What does not: the errors
that carry it.
"""

from pydantic import ValidationError


def describe_problems(error: ValidationError, limit: int = 5) -> str:
    """The first faults, each as where and what, without the values themselves."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    named = [f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}" for fault in faults]
    more = f" and {len(named) - limit} more" if len(named) > limit else ""
    return "; ".join(named[:limit]) + more
