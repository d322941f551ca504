"""What sequences of one call share, and that each gets what it would have got alone."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from triage_assets.errors import ScoringError, SettingsError
from triage_assets.scoring import engine as engine_module
from triage_assets.scoring import frame_cuts
from triage_assets.scoring.embedding import Batches, Embedder
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import FrameInput, RuntimeChoice, ScoringBox, SequenceInput
from triage_assets.scoring.runtimes import torch_runtime
from triage_assets.scoring.runtimes.choice import RUNTIMES, is_installed
from triage_assets.scoring.stages import StageClock

from .pictures import picture
from .reference import EXPECTED, MODEL, differences, load_sequence

LEFT, RIGHT = ScoringBox(0.3, 0.5, 0.2, 0.2, 0.6), ScoringBox(0.8, 0.5, 0.2, 0.2, 0.6)
BROKEN = b"<html>no image</html>"


def sequence(name, numbers, *boxes):
    return SequenceInput(name, tuple(FrameInput(picture(number), boxes or (LEFT,)) for number in numbers))


class WatchedBackbone:
    """The real backbone, which counts what passes through it and can be given faults."""

    label = "watched"

    def __init__(self, backbone, *, most=math.inf, poisoned=None, out_of_memory=torch.OutOfMemoryError):
        self.backbone = backbone
        self.device = backbone.device
        self.batch_size = backbone.batch_size
        self.most = most
        self.poisoned = poisoned
        self.out_of_memory = out_of_memory
        self.sizes = []

    def embed(self, images):
        if len(images) > self.most:
            raise self.out_of_memory(f"Tried to allocate {len(images)} patches: out of memory")
        self.sizes.append(len(images))
        embeddings = self.backbone.embed(images)
        if self.poisoned is not None:
            embeddings[(images.mean(dim=(1, 2, 3)) - self.poisoned).abs() < 1e-6] = math.nan
        return embeddings


@pytest.fixture
def watched(engine, monkeypatch):
    """The engine with its backbone watched."""

    def watch(**faults):
        backbone = WatchedBackbone(engine._embedder._backbone, **faults)
        embedder = Embedder(backbone, engine.package.settings.model_input.normalization)
        monkeypatch.setattr(engine, "_embedder", embedder)
        return backbone

    return watch


@pytest.fixture
def decoded(monkeypatch):
    """How often each image was decoded."""
    counts = Counter()
    decode = frame_cuts.decode_rgb

    def counting(image):
        counts[image] += 1
        return decode(image)

    monkeypatch.setattr(frame_cuts, "decode_rgb", counting)
    return counts


def as_text(outcome):
    return json.dumps(outcome.score.details.as_dict())


def test_copied_slots_cost_nothing(engine, watched):
    backbone = watched()
    (tube,) = engine.score_one(load_sequence("two_frames")).details.kept
    assert len(tube.entries) == 20
    assert sum(backbone.sizes) == 2


def test_a_frame_is_decoded_once_for_all_tubes_and_all_sequences(engine, decoded):
    shared = [sequence(str(start), range(start, start + 4), LEFT, RIGHT) for start in range(12)]
    assert all(outcome.score for outcome in engine.score(shared))
    assert decoded == Counter({picture(number): 1 for number in range(15)})


def test_a_crop_is_embedded_once_for_all_sequences(engine, watched):
    backbone = watched()
    twins = [sequence(str(number), range(5)) for number in range(4)]
    first, *others = [as_text(outcome) for outcome in engine.score([*twins, sequence("wider", range(5), LEFT, RIGHT)])]
    assert others[:3] == [first] * 3
    # Five of the left box, five of the right one, which one sequence has.
    assert sum(backbone.sizes) == 10


def test_crops_of_different_sequences_go_through_the_network_together(engine, watched):
    backbone = watched()
    list(engine.score([sequence(str(number), [3 * number, 3 * number + 1, 3 * number + 2]) for number in range(4)]))
    assert backbone.sizes == [4, 4, 4]


def test_together_or_alone_scores_are_the_same(engine):
    names = list(EXPECTED)
    inputs = [load_sequence(name) for name in names]
    for one, outcome in zip(inputs, engine.score(inputs), strict=True):
        alone = engine.score_one(one)
        assert differences(outcome.score.details.as_dict(), alone.details.as_dict()) == []
        assert outcome.score.best_logit == pytest.approx(alone.best_logit, abs=1e-5)


@pytest.mark.parametrize("which", [name for name in RUNTIMES if is_installed(name)])
def test_more_lanes_give_the_same_bytes(engine, which):
    sequences = [sequence(str(first), range(first, first + 7), LEFT, RIGHT) for first in range(3)]
    scores = []
    for lanes in (1, 3):
        with ScoringEngine(engine.package, RuntimeChoice(which, "cpu"), lanes=lanes) as other:
            scores.append([outcome.score.details.as_dict() for outcome in other.score(sequences)])
    assert scores[0] == scores[1]


def test_the_same_call_gives_the_same_bytes(engine):
    inputs = [load_sequence(name) for name in EXPECTED]
    first, second = ([as_text(outcome) for outcome in engine.score(inputs)] for _ in range(2))
    assert first == second


def test_what_came_before_changes_nothing_of_the_next_64(engine):
    calm = [SequenceInput(str(number), (FrameInput(picture(number % 3), ()),)) for number in range(64)]
    *_, after = engine.score([*calm, sequence("last", range(3))])
    (alone,) = engine.score([sequence("last", range(3))])
    assert as_text(after) == as_text(alone)


def test_a_broken_frame_is_left_out_of_every_sequence_that_has_it(engine, decoded):
    frames = sequence("", range(4)).frames
    broken = FrameInput(BROKEN, (RIGHT,))
    inputs = [
        SequenceInput("whole", frames),
        SequenceInput("first", (broken, *frames)),
        SequenceInput("middle", (*frames[:2], broken, *frames[2:])),
    ]
    whole, *others = [outcome.score for outcome in engine.score(inputs)]
    assert [score.n_frames_unusable for score in others] == [1, 1]
    assert [replace(score, n_frames_unusable=0) for score in others] == [whole, whole]
    assert set(decoded.values()) == {1}


def test_a_sequence_of_broken_frames_alone_fails_by_itself(engine):
    broken = SequenceInput("broken", (FrameInput(BROKEN, (LEFT,)), FrameInput(picture(1)[:-600], (LEFT,))))
    first, second, third = engine.score([sequence("first", range(3)), broken, sequence("third", range(3, 6))])
    assert (first.error, third.error, second.score) == (None, None, None)
    assert "broken has no frame that can be decoded; found 2 unreadable frames" in str(second.error)


def test_an_error_while_cutting_a_frame_fails_the_sequences_that_have_it(engine, monkeypatch, caplog):
    decode = frame_cuts.decode_rgb

    def failing(image):
        if image == picture(1):
            raise ZeroDivisionError("nobody foresaw this")
        return decode(image)

    monkeypatch.setattr(frame_cuts, "decode_rgb", failing)
    inputs = [sequence("has it", [0, 1]), sequence("has it not", [2, 3]), sequence("has it too", [1, 2])]
    outcomes = list(engine.score(inputs))
    assert [outcome.error is None for outcome in outcomes] == [False, True, False]
    assert "has it too cannot be scored; found ZeroDivisionError" in str(outcomes[2].error)
    assert len(caplog.records) == 2


def test_a_logit_that_is_no_number_fails_its_sequence_alone(engine, watched):
    clean = watched()
    seen = []
    embed = clean.backbone.embed
    odd = sequence("odd", [7, 8])
    engine._embedder._backbone = WatchedBackbone(clean.backbone)
    engine._embedder._backbone.embed = lambda images: seen.append(images) or embed(images)
    engine.score_one(odd)
    watched(poisoned=float(seen[0][0].mean()))
    outcomes = list(engine.score([sequence("before", range(3)), odd, sequence("after", range(3, 6))]))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "The model gives no number for odd" in str(outcomes[1].error)


def test_stages_are_counted():
    clock = StageClock()
    with ScoringEngine(load_package(MODEL), RuntimeChoice("torch", "cpu"), clock=clock) as engine:
        engine.score_one(sequence("one", range(3)))
    assert [stage for stage, seconds in clock.seconds().items() if seconds] == ["decode", "crop", "embed", "judge"]


# Memory of the device


def cpu_out_of_memory(text):
    return RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {text}")


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError, cpu_out_of_memory])
def test_a_batch_that_does_not_fit_is_halved_and_stays_so(engine, watched, caplog, kind):
    expected = [outcome.score for outcome in engine.score([sequence("", range(6))])]
    backbone = watched(most=1, out_of_memory=kind)
    found = [outcome.score for outcome in engine.score([sequence("", range(6))])]
    assert differences(found[0].details.as_dict(), expected[0].details.as_dict()) == []
    assert backbone.sizes == [1] * 6
    assert engine._embedder.appetite == 1
    assert [record.getMessage() for record in caplog.records] == [
        "The device cpu has no memory for 4 patches at once: going on with 2",
        "The device cpu has no memory for 2 patches at once: going on with 1",
    ]


def test_a_smaller_batch_stays_however_many_lanes_fail():
    batches = Batches(8, "patches", "cpu")

    def fails_above(most, meanwhile=lambda: None):
        def one_pass(part):
            if part.stop - part.start > most:
                meanwhile()
                raise MemoryError
            return torch.zeros(part.stop - part.start)

        return one_pass

    # While one lane fails with 8, another one is already down to 1.
    batches.run(8, fails_above(4, meanwhile=lambda: setattr(batches, "size", 1)))
    assert batches.size == 1


def test_weights_that_do_not_fit_the_device_say_so(engine, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError("Tried to allocate 80 MiB")

    monkeypatch.setattr(torch_runtime.TorchBackbone, "__init__", no_memory)
    with pytest.raises(SettingsError, match=r"cpu has too little memory.*for its weights.*80 MiB"):
        ScoringEngine(engine.package, RuntimeChoice("torch", "cpu"))


def test_no_more_images_are_held_than_a_number_of_bytes(engine, monkeypatch):
    monkeypatch.setattr(engine_module, "_TOGETHER_BYTES", 1)
    asked = []

    def inputs():
        for number in range(3):
            asked.append(number)
            yield sequence(str(number), range(3))

    outcomes = engine.score(inputs())
    next(outcomes)
    assert asked == [0]
    assert [outcome.name for outcome in outcomes] == ["1", "2"]


def test_a_device_without_memory_for_one_patch_ends_the_iteration(engine, watched):
    watched(most=0)
    with pytest.raises(
        SettingsError, match=r"device cpu has too little memory for this model; found .* batch of 1 patc"
    ):
        list(engine.score([sequence("", range(3))]))


def test_an_error_that_is_not_about_memory_is_not_tried_again():
    tries = []

    def one_pass(part):
        tries.append(part)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Batches(4, "patches", "cpu").run(9, one_pass)
    assert len(tries) == 1


def test_scoring_one_of_no_frames_says_so(engine):
    with pytest.raises(ScoringError, match="has no frame that can be decoded; found no frames"):
        engine.score_one(SequenceInput("empty", ()))
