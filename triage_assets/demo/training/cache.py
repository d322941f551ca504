"""Rendered samples of whole splits: made by worker processes, a view at a time, and kept in a folder.

What lives here: the work's division, and the files that let a second training start at once. What does not: what a
sample is (`samples`).
"""

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import PIL

import triage_assets
from triage_assets.demo.training.samples import Samples, join_samples, sample_case
from triage_assets.demo.training.splits import SplitPlan, choose_cases
from triage_assets.scoring.config import PackageConfig

SOURCES = (
    "demo.places",
    "demo.scenes",
    "demo.render",
    "demo.detections",
    "demo.landscape",
    "demo.soft_things",
    "demo.hard_things",
    "demo.texture",
    "demo.training.splits",
    "demo.training.samples",
    "scoring.slots",
    "scoring.tubes",
    "scoring.crops",
    "scoring.records",
    "images",
)
"""The modules of this package that decide pixels and labels: kept samples are not used after any of them changed."""


@dataclass(frozen=True, slots=True)
class _Job:
    plan: SplitPlan
    view: int
    config: PackageConfig
    file: Path


def collect_samples(
    plan: SplitPlan, config: PackageConfig, folder: Path, workers: int, report: Callable[[int, int], None]
) -> Samples:
    """The samples of a split, those of each view read from ``folder`` or rendered into it.

    ``report`` is called with the number of views that are done and of all.
    """
    kept = folder / _fingerprint(plan, config)
    kept.mkdir(parents=True, exist_ok=True)
    jobs = [_Job(plan, view, config, kept / f"view-{view:04d}.npz") for view in range(plan.n_views)]
    missing = [job for job in jobs if not job.file.is_file()]
    if missing:
        # Forked workers would inherit torch's threads in an unknown state.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(missing)), mp_context=context) as pool:
            for done, _ in enumerate(pool.map(_render_view, missing), start=1):
                report(len(jobs) - len(missing) + done, len(jobs))
    return join_samples([_read(job.file) for job in jobs])


def _render_view(job: _Job) -> None:
    parts = [sample_case(case, job.plan.n_reports, job.config) for case in choose_cases(job.plan, job.view)]
    samples = join_samples(parts)
    partial = job.file.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **{field.name: getattr(samples, field.name) for field in fields(Samples)})
    partial.replace(job.file)


def _read(path: Path) -> Samples:
    with np.load(path, allow_pickle=False) as columns:
        return Samples(**{field.name: columns[field.name] for field in fields(Samples)})


def _fingerprint(plan: SplitPlan, config: PackageConfig) -> str:
    """A folder name for everything that the samples of a view depend on; how many views there are is not part of it."""
    digest = hashlib.sha256()
    recipe = (plan.seed, plan.n_smoke_per_view, plan.n_other_per_view, plan.n_reports)
    inputs = (config.infer, config.tubes, config.model_input, config.classifier.max_frames)
    digest.update(repr((recipe, inputs, np.__version__, PIL.__version__)).encode())
    for module in SOURCES:
        digest.update(Path(triage_assets.__path__[0], *module.split(".")).with_suffix(".py").read_bytes())
    return f"{plan.split}-{digest.hexdigest()[:12]}"
