"""People's decisions over a small review database of each kind."""

import pytest

from tests.groups.review_rows import KnownDetections, all_detections, fill_review
from triage_assets.groups.decisions import Decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase


@pytest.fixture
def detections() -> KnownDetections:
    return all_detections()


@pytest.fixture
def decisions(review: ReviewDatabase, detections: KnownDetections) -> Decisions:
    fill_review(review)
    return Decisions(DecisionDatabase(review), detections)
