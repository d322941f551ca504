import pytest

from triage_assets.scoring.slots import plan_slots


@pytest.mark.parametrize(
    ("n_frames", "max_frames", "pad_to", "strategy", "frames", "copies", "num_truncated"),
    [
        # nothing to do
        (4, 20, 4, "symmetric", [0, 1, 2, 3], [], 0),
        # padding switched off
        (2, 20, 0, "symmetric", [0, 1], [], 0),
        # an odd number of copies: the extra one goes before the first frame
        (2, 20, 5, "symmetric", [0, 0, 0, 1, 1], [0, 1, 4], 0),
        # a single frame fills every slot
        (1, 20, 4, "symmetric", [0, 0, 0, 0], [0, 1, 3], 0),
        # the end of a long sequence is cut off
        (6, 4, 4, "symmetric", [0, 1, 2, 3], [], 2),
        # cut off first, padded afterwards
        (6, 3, 5, "symmetric", [0, 0, 1, 2, 2], [0, 4], 3),
        # stretched: slot i shows frame floor(i * 2 / 5)
        (2, 20, 5, "uniform", [0, 0, 0, 1, 1], [1, 2, 4], 0),
        (3, 20, 4, "uniform", [0, 0, 1, 2], [1], 0),
    ],
)
def test_frames_fill_the_slots(n_frames, max_frames, pad_to, strategy, frames, copies, num_truncated):
    plan = plan_slots(n_frames, max_frames, pad_to, strategy)
    assert list(plan.frames) == frames
    assert list(plan.preprocessing.padded_frame_indices) == copies
    assert (plan.preprocessing.num_frames_input, plan.preprocessing.num_truncated) == (n_frames, num_truncated)
