"""Writes the API's description, which the page's types are generated from.

What lives here: `python -m triage_viewer.describe` and nothing else. What does not: routes; no store is opened.
"""

import json
import tempfile
from pathlib import Path

from triage_assets.review.database import open_review
from triage_assets.store import open_store
from triage_viewer.app import create_app
from triage_viewer.context import Context


def describe() -> str:
    """OpenAPI as JSON, the same bytes for the same routes."""
    with tempfile.TemporaryDirectory() as folder:
        review = open_review(f"sqlite:///{Path(folder) / 'review.sqlite'}")
        try:
            app = create_app(Context(open_store(folder), review, actor="nobody"))
            return json.dumps(app.openapi(), indent=1, sort_keys=True)
        finally:
            review.close()


if __name__ == "__main__":
    print(describe())
