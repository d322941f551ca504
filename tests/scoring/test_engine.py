import json
import math
import sys
from dataclasses import replace

import pytest
import torch

from triage_assets.errors import PackageError, ScoringError, SettingsError
from triage_assets.scoring.detector import load_detector
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.loose import read_folder, score_folder
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import FrameInput, RuntimeChoice, ScoringBox, SequenceInput
from triage_assets.scoring.runtimes.device import open_device

from .packages import edited_config, edited_manifest, read_weights, saved, write_edited
from .pictures import picture
from .reference import EXPECTED, MODEL, SAMPLE

TORCH = RuntimeChoice("torch")
BOX = ScoringBox(0.5, 0.5, 0.2, 0.2, 0.6)


def sequence(n_frames, name="seq", start=0):
    return SequenceInput(name, tuple(FrameInput(picture(start + index), (BOX,)) for index in range(n_frames)))


def test_scores_come_in_order_whether_or_not_one_fails(engine):
    inputs = [sequence(3, "first"), SequenceInput("second", ()), sequence(2, "third")]
    outcomes = list(engine.score(inputs))
    assert [outcome.name for outcome in outcomes] == ["first", "second", "third"]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert outcomes[0].score == engine.score_one(inputs[0])


def test_sequences_are_read_64_at_a_time(engine):
    read = []

    def source():
        for number in range(200):
            read.append(number)
            yield SequenceInput(str(number), (FrameInput(picture(number), ()),))

    scores = engine.score(source())
    next(scores)
    assert len(read) == 64
    scores.close()


def test_giving_up_early_leaves_the_engine_usable(engine):
    scores = engine.score([sequence(2), sequence(2), sequence(2)])
    next(scores)
    scores.close()
    assert engine.score_one(sequence(2)).n_frames == 2


@pytest.mark.parametrize("bad", [b"", b"<html>", picture(1)[:-800]])
def test_a_frame_that_cannot_be_decoded_is_left_out_and_counted(engine, bad):
    whole = sequence(4)
    frames = list(whole.frames)
    frames.insert(2, FrameInput(bad, (BOX,)))
    score = engine.score_one(replace(whole, frames=tuple(frames)))
    assert score.n_frames_unusable == 1
    assert replace(score, n_frames_unusable=0) == engine.score_one(whole)


def test_an_unreadable_frame_counts_whatever_its_boxes(engine):
    frames = (*sequence(3).frames, FrameInput(b"noise", ()))
    assert engine.score_one(SequenceInput("seq", frames)).n_frames_unusable == 1


def test_unreadable_frames_do_not_use_up_the_slots_of_a_long_sequence(engine):
    good = sequence(22).frames
    frames = (FrameInput(b"noise", (BOX,)), *good)
    score = engine.score_one(SequenceInput("seq", frames))
    assert (score.n_frames_unusable, score.details.preprocessing.num_truncated) == (1, 2)


@pytest.mark.parametrize("frames", [(), (FrameInput(b"noise", (BOX,)), FrameInput(b"", ()))])
def test_a_sequence_without_any_readable_frame_has_no_score(engine, frames):
    with pytest.raises(ScoringError, match="lost has no frame that can be decoded"):
        engine.score_one(SequenceInput("lost", frames))


def test_a_sequence_without_tubes_scores_zero_and_has_no_logit(engine):
    score = engine.score_one(SequenceInput("calm", (FrameInput(picture(0), ()),)))
    assert (score.max_probability, score.best_logit, score.is_positive) == (0.0, None, False)


def test_an_error_nobody_foresaw_is_the_outcome_of_its_sequence_alone(engine, caplog):
    # Too thin for any reader of boxes to let through; its area is 0.0.
    thin = ScoringBox(0.0, 0.0, 1e-170, 1e-170, 0.6)
    odd = SequenceInput("odd", tuple(FrameInput(picture(number), (thin,)) for number in range(3)))
    first, second, third = engine.score([sequence(2, "first"), odd, sequence(2, "third")])
    assert (first.error, third.error, second.score) == (None, None, None)
    assert "odd cannot be scored; found ZeroDivisionError: " in str(second.error)
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
    with pytest.raises(ScoringError, match="odd cannot be scored"):
        engine.score_one(odd)


def test_a_device_is_proven_to_be_there():
    assert open_device("cpu") == torch.device("cpu")
    with pytest.raises(SettingsError, match="'abacus'"):
        open_device("abacus")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_logit_that_is_no_number_is_an_error_and_never_a_score(tmp_path, value):
    weights = {**read_weights(MODEL), "model.head.classifier.bias": torch.tensor([value])}
    path = write_edited(MODEL, tmp_path / "model.zip", {"classifier.ckpt": saved({"state_dict": weights})})
    with ScoringEngine(load_package(path), TORCH) as broken, pytest.raises(ScoringError, match="no number"):
        broken.score_one(sequence(2))


def test_without_a_calibrator_the_probability_is_the_sigmoid_of_the_logit(tmp_path):
    changes = {"manifest.yaml": edited_manifest(MODEL, {}, ["logistic_calibrator"])}
    package = load_package(write_edited(MODEL, tmp_path / "model.zip", changes), allow_uncalibrated=True)
    with ScoringEngine(package, TORCH) as uncalibrated:
        score = uncalibrated.score_one(sequence(3))
    assert score.max_probability == pytest.approx(1 / (1 + math.exp(-score.best_logit)))
    assert score.details.aggregation == "max_logit"
    assert score.details.threshold == package.settings.decision.threshold


def test_padding_beyond_the_longest_input_scores_the_first_frames_only(tmp_path):
    changes = {"config.yaml": edited_config(MODEL, {"infer.pad_to_min_frames": 30})}
    package = load_package(write_edited(MODEL, tmp_path / "model.zip", changes))
    with ScoringEngine(package, TORCH) as long:
        score = long.score_one(sequence(3))
    (tube,) = score.details.kept
    assert len(tube.entries) == 30
    assert math.isfinite(tube.logit)


# Loose folders


def test_a_folder_is_scored_like_the_reference(engine):
    found = score_folder(engine, SAMPLE / "sequences" / "three_frames")
    assert list(found) == ["name", "is_positive", "trigger_frame_index", "max_probability", "details"]
    expected = EXPECTED["three_frames"]
    assert (found["name"], found["trigger_frame_index"]) == ("three_frames", expected["trigger_frame_index"])
    assert found["max_probability"] == pytest.approx(expected["max_probability"], abs=1e-4)
    assert json.loads(json.dumps(found)) == found


def folder_with(tmp_path, content):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "a.jpg").write_bytes(picture(0))
    if content is not None:
        (tmp_path / "detections.json").write_text(content)
    return tmp_path


DETECTION = {"cx": 0.5, "cy": 0.5, "w": 0.1, "h": 0.1, "confidence": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "detections.json cannot be read"),
        ("{", "does not describe a sequence"),
        ("[]", "does not describe a sequence"),
        ('{"frames": [{"file": "frames/a.jpg"}]}', "frames.0.detections: Field required"),
        ('{"frames": [{"file": "frames/b.jpg", "detections": []}]}', "names a frame that cannot be read"),
        ('{"frames": [{"file": "../a.jpg", "detections": []}]}', "outside its folder"),
        ('{"frames": [{"file": "/etc/passwd", "detections": []}]}', "outside its folder"),
        (json.dumps({"frames": [{"file": "frames/a.jpg", "detections": [{**DETECTION, "cx": "left"}]}]}), "cx"),
    ],
)
def test_a_folder_without_a_sequence_is_refused(tmp_path, content, words):
    with pytest.raises(ScoringError) as refusal:
        read_folder(folder_with(tmp_path, content))
    assert words in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_boxes_without_an_area_are_left_out(tmp_path):
    flat = {**DETECTION, "h": 0.0}
    content = json.dumps({"frames": [{"file": "frames/a.jpg", "detections": [flat, DETECTION]}]})
    assert len(read_folder(folder_with(tmp_path, content)).frames[0].boxes) == 1


# The bundled detector


def test_the_bundled_detector_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(PackageError, match=r"pip install 'triage-assets\[yolo\]'.*`annotator`"):
        load_detector(load_package(MODEL), allow_unsafe_load=True)


def test_a_package_without_a_detector_says_so(tmp_path):
    path = write_edited(MODEL, tmp_path / "model.zip", {"yolo_weights.pt": None})
    with pytest.raises(PackageError, match="has no detector"):
        load_detector(load_package(path), allow_unsafe_load=True)
