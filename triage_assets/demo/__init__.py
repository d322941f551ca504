"""A demo annotator: synthetic camera sequences behind the annotator's API, served on loopback."""

from pathlib import Path

# Trained on rendered scenes of other cameras (`train`): it knows nothing of real ones.
DEMO_MODEL = Path(__file__).parent / "model.zip"
