"""A demo annotator: synthetic camera sequences behind the annotator's API, served on loopback."""

from pathlib import Path

# Scores the demo's backlog until a model trained on it exists: random weights, so its scores mean nothing.
DEMO_MODEL = Path(__file__).parent / "model.zip"
