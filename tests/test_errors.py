"""The form of messages, and that errors survive the trip between processes."""

import pickle

import pytest

from triage_assets.errors import ShardError, TriageError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TriageError("The disk is full"), "The disk is full"),  # what alone
        (
            TriageError("Shard X is short", found="240 frames", expected="250", do="Run `triage shards reindex`."),
            "Shard X is short; found 240 frames; expected 250. Run `triage shards reindex`.",
        ),  # all four parts
        (TriageError("No model", do="Set TRIAGE_MODEL."), "No model. Set TRIAGE_MODEL."),  # no facts
    ],
)
def test_a_message_says_what_found_expected_do(error: TriageError, message: str) -> None:
    assert str(error) == message


def test_an_error_is_the_same_after_pickling() -> None:
    error = ShardError("Shard X is short", found=240, expected=250, do="Look.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is ShardError
    assert (str(copy), copy.found, copy.do) == (str(error), 240, "Look.")
