import os
import subprocess
import sys

import pytest
import torch

from triage_assets.errors import PackageError
from triage_assets.scoring.identity import model_fingerprint, predictions_name, read_identity
from triage_assets.scoring.package import load_package

from .packages import (
    edited_calibrator,
    edited_config,
    edited_manifest,
    read_members,
    read_weights,
    saved,
    write_edited,
    write_members,
)
from .reference import MODEL


class RunsCode:
    """What a hostile checkpoint holds: loading it calls a function."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def config(**overrides):
    return lambda: {"config.yaml": edited_config(MODEL, {key.replace("__", "."): v for key, v in overrides.items()})}


def config_without(*keys):
    return lambda: {"config.yaml": edited_config(MODEL, {}, keys)}


def manifest(**overrides):
    return lambda: {"manifest.yaml": edited_manifest(MODEL, overrides)}


def manifest_without(*keys):
    return lambda: {"manifest.yaml": edited_manifest(MODEL, {}, keys)}


def calibrator(**overrides):
    return lambda: {"logistic_calibrator.json": edited_calibrator(MODEL, **overrides)}


def weights(change):
    def changes():
        edited = read_weights(MODEL)
        change(edited)
        return {"classifier.ckpt": saved({"state_dict": edited})}

    return changes


def replace(**members):
    return lambda: {name.replace("__", "."): data for name, data in members.items()}


FIRST_BLOCK = "model.backbone.backbone.blocks.0"
REFUSALS = {
    # the zip and its members
    "no manifest": (replace(manifest__yaml=None), ["has no manifest.yaml", "expected manifest.yaml"]),
    "no config": (replace(config__yaml=None), ["has no config.yaml"]),
    "no checkpoint": (replace(classifier__ckpt=None), ["has no classifier.ckpt"]),
    "no calibrator member": (replace(logistic_calibrator__json=None), ["has no logistic_calibrator.json"]),
    "config names another member": (manifest(config="../../etc/passwd"), ["has no ../../etc/passwd"]),
    # the manifest
    "newer format": (manifest(format_version=2), ["format_version 2", "expected format_version 1", "Update"]),
    "format that only looks alike": (manifest(format_version=True), ["format_version True"]),
    "no format": (manifest_without("format_version"), ["format_version None"]),
    "manifest is no YAML": (replace(manifest__yaml="a: [1"), ["manifest.yaml", "no YAML"]),
    "manifest is a list": (replace(manifest__yaml="[1]"), ["holds no values by name", "found list"]),
    "no pointer": (manifest_without("classifier_checkpoint"), ["classifier_checkpoint: Field required"]),
    # the configuration
    "no decision block": (config_without("decision"), ["config.yaml", "decision: Field required"]),
    "no tube threshold": (config_without("tubes.iou_threshold"), ["tubes.iou_threshold: Field required"]),
    "a number that is none": (config(tubes__max_misses="two"), ["tubes.max_misses"]),
    "unknown padding": (config(infer__pad_strategy="mirror"), ["infer.pad_strategy", "symmetric"]),
    "unknown aggregation": (config(decision__aggregation="vote"), ["decision.aggregation", "max_logit"]),
    "no threshold": (config_without("decision.logistic_threshold"), ["decision.logistic_threshold is missing"]),
    "unknown backbone": (
        config(classifier__backbone="convnext_tiny.in12k"),
        ["convnext_tiny.in12k", "test_vit", "vit_base_patch14_dinov2", "vit_tiny_patch16_224"],
    ),
    "unknown pooling": (config(classifier__global_pool="map"), ["found map", "token"]),
    "detector features per region": (config(classifier__yolo_roi_dim=256), ["classifier.yolo_roi_dim: 256"]),
    "detector features per frame": (config(classifier__yolo_ctx_dim=64), ["classifier.yolo_ctx_dim: 64"]),
    "another patch size": (config(model_input__patch_size=112), ["224 px in the weights", "expected 112 px"]),
    "another number of frames": (config(classifier__max_frames=10), ["max_frames", "20 in the weights", "10"]),
    "another number of layers": (config(classifier__transformer_num_layers=3), ["transformer_num_layers", "2 in"]),
    "heads that do not divide": (config(classifier__transformer_num_heads=5), ["width 64, 5 heads"]),
    # the calibrator
    "uncalibrated": (manifest_without("logistic_calibrator"), ["not calibrated", "no logistic_calibrator", "allow"]),
    "calibrated but unused": (config(decision__aggregation="max_logit"), ["not calibrated", "max_logit"]),
    "calibrator is no JSON": (replace(logistic_calibrator__json="{"), ["logistic_calibrator.json", "no calibrator"]),
    "calibrator without checks": (calibrator(sanity_checks=[]), ["sanity_checks"]),
    "calibrator of other features": (
        calibrator(features=["logit", "area", "mean_conf", "n_tubes"]),
        ["area", "expected logit, log_len, mean_conf, n_tubes"],
    ),
    "calibrator cut short": (calibrator(coefficients=[1.0, 2.0]), ["2 coefficients"]),
    "calibrator that miscalculates": (calibrator(intercept=-4.69999), ["sanity check 1", "within 1e-06"]),
    # the checkpoint
    "checkpoint of noise": (replace(classifier__ckpt=b"\x00" * 64), ["classifier.ckpt"]),
    "empty checkpoint": (replace(classifier__ckpt=b""), ["classifier.ckpt"]),
    "checkpoint of a list": (lambda: {"classifier.ckpt": saved([1, 2])}, ["classifier.ckpt", "found list"]),
    "missing tensor": (
        weights(lambda w: w.pop(f"{FIRST_BLOCK}.norm1.bias")),
        ["1 missing, first backbone.backbone.blocks.0.norm1.bias"],
    ),
    "missing middle block": (
        weights(lambda w: [w.pop(name) for name in list(w) if ".blocks.2." in name]),
        ["12 missing, first backbone.backbone.blocks.2.norm1.weight"],
    ),
    "missing embedding": (
        weights(lambda w: w.pop("model.backbone.backbone.pos_embed")),
        ["backbone.backbone.pos_embed is missing"],
    ),
    "unexpected tensor": (
        weights(lambda w: w.update({"model.head.gate.weight": torch.zeros(1)})),
        ["1 unexpected, first head.gate.weight"],
    ),
    "missing and unexpected": (
        weights(lambda w: w.update({"model.head.judge.bias": w.pop("model.head.classifier.bias")})),
        ["1 missing, first head.classifier.bias", "1 unexpected, first head.judge.bias"],
    ),
    "misshapen tensor": (
        weights(lambda w: w.update({f"{FIRST_BLOCK}.attn.proj.bias": torch.zeros(63)})),
        ["blocks.0.attn.proj.bias of shape (63,) instead of (64,)"],
    ),
    "embedding of no square": (
        weights(lambda w: w.update({"model.backbone.backbone.pos_embed": torch.zeros(1, 198, 64)})),
        ["197 patches"],
    ),
}


@pytest.mark.parametrize(("changes", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_package_that_would_score_wrongly_is_refused(tmp_path, changes, words):
    path = write_edited(MODEL, tmp_path / "model.zip", changes())
    with pytest.raises(PackageError) as refusal:
        load_package(path)
    message = str(refusal.value)
    assert [word for word in [str(path), *words] if word not in message] == []
    assert refusal.value.do


def not_there(path):
    return path / "missing.zip"


def not_a_zip(path):
    file = path / "model.zip"
    file.write_bytes(b"<html>not found</html>")
    return file


def cut_short(path):
    file = path / "model.zip"
    file.write_bytes(MODEL.read_bytes()[:-2000])
    return file


def a_folder(path):
    return path


@pytest.mark.parametrize("make", [not_there, not_a_zip, cut_short, a_folder])
@pytest.mark.parametrize("read", [load_package, read_identity])
def test_a_file_that_is_no_package_is_named(tmp_path, make, read):
    path = make(tmp_path)
    with pytest.raises(PackageError, match=r"model package") as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    assert refusal.value.do


def test_a_member_that_was_changed_after_zipping_is_refused(tmp_path):
    data = bytearray(MODEL.read_bytes())
    data[data.index(b"context_factor")] ^= 1
    path = tmp_path / "model.zip"
    path.write_bytes(data)
    with pytest.raises(PackageError, match=r"config\.yaml .* cannot be read"):
        load_package(path)


def test_a_checkpoint_that_runs_code_is_refused_before_it_runs(tmp_path):
    trace = tmp_path / "it-ran"
    checkpoint = saved({"state_dict": read_weights(MODEL), "callback": RunsCode(trace)})
    path = write_edited(MODEL, tmp_path / "model.zip", {"classifier.ckpt": checkpoint})
    with pytest.raises(PackageError, match="cannot be loaded as plain weights"):
        load_package(path)
    assert not trace.exists()
    assert load_package(path, allow_unsafe_load=True).version == "0.0.0-random-tiny"
    assert trace.exists()


def test_an_uncalibrated_package_is_accepted_when_asked_for(tmp_path):
    path = write_edited(
        MODEL, tmp_path / "model.zip", {"manifest.yaml": edited_manifest(MODEL, {}, ["logistic_calibrator"])}
    )
    assert load_package(path, allow_uncalibrated=True).calibrator is None


def test_a_plain_state_dict_loads_like_a_checkpoint(tmp_path):
    plain = {name.removeprefix("model."): value for name, value in read_weights(MODEL).items()}
    path = write_edited(MODEL, tmp_path / "model.zip", {"classifier.ckpt": saved(plain)})
    bias = load_package(path).classifier.state_dict()["head.classifier.bias"]
    assert torch.equal(bias, plain["head.classifier.bias"])


def test_half_precision_weights_are_widened(tmp_path):
    halved = {name: value.half() for name, value in read_weights(MODEL).items()}
    path = write_edited(MODEL, tmp_path / "model.zip", {"classifier.ckpt": saved({"state_dict": halved})})
    assert {value.dtype for value in load_package(path).classifier.state_dict().values()} == {torch.float32}


def test_unknown_keys_of_a_configuration_are_left_alone(tmp_path):
    changed = edited_config(MODEL, {"tubes.new_idea": 3, "novelty": {"on": True}})
    package = load_package(write_edited(MODEL, tmp_path / "model.zip", {"config.yaml": changed}))
    assert package.config["novelty"] == {"on": True}


def test_member_names_never_become_paths(tmp_path):
    members = {**read_members(MODEL), "../escaped.txt": b"x", "/absolute.txt": b"x"}
    folder = tmp_path / "inner"
    folder.mkdir()
    load_package(write_members(folder / "model.zip", members))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "model.zip"]


def test_a_package_is_known_by_its_version_and_the_hash_of_its_file():
    identity = read_identity(MODEL)
    assert identity == load_package(MODEL).identity
    assert identity.sha256 == model_fingerprint(MODEL)
    assert identity.name == f"0.0.0-random-tiny-{identity.sha256[:8]}"


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0.2.0", "0.2.0"),
        (0.2, "0.2"),  # YAML reads it as a number
        ("../../évil name", "vil-name"),  # nothing of it leaves the folder
        ("..", "unversioned"),
        (None, "unversioned"),
    ],
)
def test_any_version_makes_a_safe_folder_name(tmp_path, version, name):
    changed = edited_manifest(MODEL, {"model_version": version})
    identity = read_identity(write_edited(MODEL, tmp_path / "model.zip", {"manifest.yaml": changed}))
    assert identity.name == f"{name}-{identity.sha256[:8]}"


def test_detectors_never_share_a_folder():
    identity = read_identity(MODEL)
    assert predictions_name(identity, "annotator") == identity.name
    assert predictions_name(identity, "bundled") == f"{identity.name}-bundled"
    with pytest.raises(PackageError, match="no such detector"):
        predictions_name(identity, "both")


@pytest.mark.parametrize("module", ["identity", "package", "predictions", "planning", "records"])
def test_what_definitions_import_does_not_import_torch(module):
    code = f"import sys, triage_assets.scoring.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
