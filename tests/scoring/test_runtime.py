import logging
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from benchmarks.random_package import write_random_package
from triage_assets.errors import SettingsError
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import BFLOAT16, FLOAT32, OPENVINO, TORCH, RuntimeChoice
from triage_assets.scoring.runtimes import choice as runtime
from triage_assets.scoring.runtimes.choice import RUNTIMES, is_installed, open_backbone, resolve_runtime
from triage_assets.scoring.runtimes.folding import fold

from .reference import MODEL
from .test_backbones import ARCHITECTURES

needs_openvino = pytest.mark.skipif(not is_installed(OPENVINO), reason="OPENVINO IS NOT TESTED: it is not installed")
EVERY_RUNTIME = [TORCH, pytest.param(OPENVINO, marks=needs_openvino)]


@pytest.fixture(scope="module")
def package():
    return load_package(MODEL)


@pytest.mark.parametrize("pooling", ["token", "avg"])
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("which", EVERY_RUNTIME)
def test_every_runtime_computes_what_the_plain_network_does(tmp_path, which, name, pooling):
    architecture = replace(ARCHITECTURES[name], pooling=pooling)
    package = load_package(write_random_package(tmp_path / "model.zip", architecture))
    images = torch.randn(5, 3, architecture.image_px, architecture.image_px, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = package.classifier.embed(images)
    found = open_backbone(package, RuntimeChoice(which, "cpu")).embed(images)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("which", EVERY_RUNTIME)
def test_a_lower_precision_is_near_and_says_so(package, which):
    images = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    exact = open_backbone(package, RuntimeChoice(which, "cpu", FLOAT32))
    lower = open_backbone(package, RuntimeChoice(which, "cpu", BFLOAT16))
    assert (exact.label, lower.label) == (f"{which} cpu float32", f"{which} cpu bfloat16")
    assert torch.allclose(lower.embed(images), exact.embed(images), atol=0.2)


@needs_openvino
def test_openvino_keeps_to_float32_and_to_a_thread_for_each_lane(package):
    compiled = open_backbone(package, RuntimeChoice(OPENVINO, "cpu"), lanes=2)._model
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert not compiled.get_property("ENABLE_CPU_PINNING")


def test_folding_leaves_the_network_as_it_was(package):
    vit = package.classifier.backbone.backbone
    before = {name: value.clone() for name, value in vit.state_dict().items()}
    fold(vit)
    assert all(torch.equal(value, before[name]) for name, value in vit.state_dict().items())


def test_what_was_chosen_is_left_as_it_is(package):
    choice = RuntimeChoice(TORCH, "cpu", BFLOAT16)
    assert resolve_runtime(package, choice) == choice


@needs_openvino
@pytest.mark.parametrize(("slower", "chosen"), [(TORCH, OPENVINO), (OPENVINO, TORCH)])
def test_the_faster_runtime_is_chosen_by_measurement(package, monkeypatch, caplog, slower, chosen):
    """Every pass of the slower one takes 50 ms more, 50 times what this small network needs."""

    def slowed(package, choice):
        backbone = open_backbone(package, choice)
        if choice.runtime == slower:
            embed = backbone.embed
            backbone.embed = lambda images: time.sleep(0.05) or embed(images)
        return backbone

    monkeypatch.setattr(runtime, "open_backbone", slowed)
    with caplog.at_level(logging.INFO, logger=runtime.__name__):
        assert resolve_runtime(package, RuntimeChoice()) == RuntimeChoice(chosen, "cpu", FLOAT32)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Scoring on {chosen} cpu float32: torch cpu float32 ")


@needs_openvino
def test_runtimes_are_measured_on_one_thread_each_and_torch_has_its_own_again(package, monkeypatch):
    seen = []

    def watched(package, choice):
        backbone = open_backbone(package, choice)
        embed = backbone.embed
        backbone.embed = lambda images: seen.append(torch.get_num_threads()) or embed(images)
        return backbone

    monkeypatch.setattr(runtime, "open_backbone", watched)
    monkeypatch.setattr(torch, "get_num_threads", FakeThreads(monkeypatch).get)
    resolve_runtime(package, RuntimeChoice())
    assert set(seen) == {1}
    assert torch.get_num_threads() == 3


class FakeThreads:
    """Torch's number of threads, without changing that of the test process."""

    def __init__(self, monkeypatch):
        self.number = 3
        monkeypatch.setattr(torch, "set_num_threads", self.set)

    def get(self):
        return self.number

    def set(self, number):
        self.number = number


def test_without_openvino_torch_is_chosen(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert resolve_runtime(package, RuntimeChoice(device="cpu")) == RuntimeChoice(TORCH, "cpu", FLOAT32)


def test_a_runtime_that_is_not_installed_says_how_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        SettingsError, match=r"openvino is not installed\. Run `pip install 'triage-assets\[openvino\]'`"
    ):
        ScoringEngine(package, RuntimeChoice(OPENVINO))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (
            RuntimeChoice("tensorrt"),
            "no such runtime for scoring; found 'tensorrt'; expected one of auto, torch, openv",
        ),
        (
            RuntimeChoice(TORCH, precision="int8"),
            "no such precision for scoring; found 'int8'; expected one of float32",
        ),
        (RuntimeChoice(TORCH, "abacus"), "'abacus'"),
        pytest.param(RuntimeChoice(OPENVINO, "cuda"), "OpenVINO is used on the CPU only", marks=needs_openvino),
    ],
)
def test_what_cannot_be_run_on_is_refused(package, choice, words):
    with pytest.raises(SettingsError, match=words):
        ScoringEngine(package, choice)


def test_the_engine_says_what_it_runs_on(engine):
    assert engine.runtime == "torch cpu float32"


def run_on(which, tmp_path, verdict):
    """The exit code of a process that loads an engine on a runtime, with a home folder of its own."""
    code = (
        "import sys; from pathlib import Path; from triage_assets.scoring.engine import ScoringEngine;"
        "from triage_assets.scoring.package import load_package;"
        "from triage_assets.scoring.records import RuntimeChoice;"
        f"ScoringEngine(load_package(Path({str(MODEL)!r})), RuntimeChoice({which!r})).close();"
        f"sys.exit({verdict})"
    )
    root = os.fspath(MODEL.parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "HOME": str(tmp_path)}
    return subprocess.run([sys.executable, "-c", code], cwd=root, env=environment).returncode


def test_torch_alone_does_not_import_openvino(tmp_path):
    assert run_on(TORCH, tmp_path, "'openvino' in sys.modules") == 0


@needs_openvino
def test_openvino_is_imported_without_its_telemetry(tmp_path):
    assert run_on(OPENVINO, tmp_path, "'openvino_telemetry' in sys.modules") == 0
    assert not (tmp_path / "intel").exists()


def test_every_runtime_is_tried_above():
    assert set(RUNTIMES) == {TORCH, OPENVINO}
