"""The checks of `triage doctor`: one function per thing that can be wrong, each returning what it found.

What lives here: looking, without changing anything but a probe in the store. What does not: printing.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from triage_assets.annotator.snapshot import stored_keys
from triage_assets.configured_models import configured_packages, read_each
from triage_assets.console import count_of
from triage_assets.errors import SettingsError, StoreError, StoreUnwritable
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.records import AUTO, DETECTOR_ANNOTATOR, OPENVINO, TORCH
from triage_assets.settings import Settings, load_settings, require_annotator
from triage_assets.shards.catalog import load_catalog
from triage_assets.store import open_store
from triage_assets.worklists.records import FOLDER as WORKLISTS

# A person waits. A run is more patient, because workers may be on their way.
_CLUSTER_SECONDS = 5.0
_REVIEW_SECONDS = 2.0


def check_settings() -> str:
    """Every setting parses."""
    settings = load_settings()
    return f"store {settings.triage_store}, at most {settings.triage_max_in_flight} requests in flight"


def check_annotator() -> str:
    """The annotator answers, accepts the credentials and lists organizations."""
    from triage_assets.defs.resources import open_client

    with open_client(require_annotator(load_settings())) as client:
        names = [organization.name for organization in client.list_organizations()]
    return f"{len(names)} organizations: {', '.join(names)}"


def check_store() -> str:
    """The store takes a file, and belongs to the annotator that the settings name."""
    settings = load_settings()
    store = open_store(settings.triage_store)
    filled_from = store.annotator()
    probe = f"doctor-{uuid.uuid4().hex}.probe"
    try:
        with store.new_object(probe) as new:  # which asks the most of a store
            new.write([b"probe"])
            new.commit()
        store.delete(probe)
    except StoreUnwritable as error:
        if filled_from is None:
            raise
        looking = "It can be read, which is all that `triage viewer` needs."
        raise StoreUnwritable(
            error.what, found=error.found, expected=error.expected, do=f"{error.do} {looking}"
        ) from error
    if filled_from and settings.annotator_api_url:
        store.stamp(settings.annotator_api_url)
    return f"{store.location} can be written; filled from {filled_from or 'nothing yet'}"


def check_backlog() -> str:
    """The store can be read, which is all that is done here, and has something to look at."""
    store = open_store(load_settings().triage_store)
    store.annotator()
    keys = stored_keys(store)
    if not keys:
        raise StoreError(
            "There is nothing to look at",
            found=f"no backlog in {store.location}",
            do="Check TRIAGE_STORE, down to the prefix; or bring a store there with `triage fetch`.",
        )
    catalogs = [catalog for key in keys if (catalog := load_catalog(store, key))]
    n_shards = sum(len(catalog.shards) for catalog in catalogs)
    is_split = next(iter(store.list(WORKLISTS)), None) is not None
    contents = f"{count_of(len(keys), 'organization')}, {count_of(n_shards, 'shard')}"
    return f"{store.location} can be read: {contents}, {'split' if is_split else 'not split yet'}"


def check_page() -> str:
    """The viewer is installed, and its page is built."""
    try:
        from triage_viewer import page_files
    except ModuleNotFoundError as error:
        raise SettingsError(
            "The viewer is not installed", found=f"no module {error.name}", do="Install triage-assets[viewer]."
        ) from None
    if not (page_files.PAGE / "index.html").is_file():
        raise SettingsError(
            "The viewer's page is not built",
            found=f"no index.html in {page_files.PAGE}",
            do="Run `make setup` in the project's folder, or install a released wheel.",
        )
    return "the viewer is installed"


def check_models() -> str:
    """Every model package loads and reproduces its own sanity checks."""
    from triage_assets.scoring.package import load_package

    readings = read_each(configured(), load_package)
    readings.require_all()
    packages = readings.found.values()
    cautions = [package.identity.caution for package in packages if package.identity.caution]
    return "; ".join([", ".join(package.name for package in packages), *cautions])


def check_scoring() -> str:
    """The runtime and the device of the settings, or the cluster that they name, can be used."""
    settings = load_settings()
    address = settings.triage_scoring_cluster
    return _try_runtime(settings) if address is None else _try_cluster(address, settings)


def check_review() -> str:
    """The review database can be written, or can be made or migrated by who needs it; this does neither."""
    from triage_assets.review.versions import newest_version
    from triage_assets.review.watch import examine

    found = examine(load_settings().review_url, busy_seconds=_REVIEW_SECONDS)
    if found.version is None:
        return f"{found.name} will be made by the next run or viewer"
    if found.contents is None:
        return f"{found.name} has version {found.version}; the next run or viewer migrates it to {newest_version()}"
    state = "is in use by another writer" if found.is_in_use else "can be written"
    counts = f"{found.contents.n_groups} groups, {found.contents.n_decisions} decisions"
    return f"{found.name} {state}, version {found.version}; {counts}"


# In this order; where the first fails the others are not tried, because they all need the settings.
CHECKS: dict[str, Callable[[], str]] = {
    "settings": check_settings,
    "annotator": check_annotator,
    "store": check_store,
    "review": check_review,
    "model": check_models,
    "scoring": check_scoring,
}

# What `triage viewer` takes, without a write anywhere.
VIEWER_CHECKS: dict[str, Callable[[], str]] = {
    "settings": check_settings,
    "store": check_backlog,
    "review": check_review,
    "page": check_page,
}


def configured() -> tuple[Path, ...]:
    """The packages that a run would score with. Raises `SettingsError` where none is named."""
    settings = load_settings()
    return configured_packages(open_store(settings.triage_store), settings)


def compare_model(path: Path) -> Iterator[str]:
    """What every runtime of this machine makes of a model, line by line. Raises `PackageError`."""
    from triage_assets.scoring.package import load_package
    from triage_assets.scoring.runtimes.comparison import compare_runtimes
    from triage_assets.scoring.runtimes.device import claim_lanes

    package = load_package(path)
    yield f"{package.name}, backbone {package.settings.classifier.backbone}"
    if package.identity.caution:
        yield f"  {package.identity.caution}"
    yield f"  {'runtime':28s}{'crops/s':>9s}{'logits differ by at most':>26s}{'on average':>12s}"
    for found in compare_runtimes(package, claim_lanes()):
        yield (
            f"  {found.runtime:28s}{found.crops_per_second:9.1f}"
            f"{found.largest_difference:26.1e}{found.mean_difference:12.1e}"
        )


def describe_missing_runtimes() -> Iterator[str]:
    """How to install what was not compared."""
    from triage_assets.scoring.runtimes.choice import is_installed

    if not is_installed(OPENVINO):
        yield "  openvino is not installed: `pip install 'triage-assets[openvino]'`"


def _try_runtime(settings: Settings) -> str:
    """Put one model on the device, which finds out more than its name does; nothing is measured."""
    from triage_assets.scoring.package import load_package
    from triage_assets.scoring.runtimes.choice import is_installed, open_backbone, resolve_runtime
    from triage_assets.scoring.runtimes.device import CPU

    readings = read_each(configured(), load_package)
    readings.require_any()
    package = next(iter(readings.found.values()))
    asked = settings.runtime_choice
    is_auto = asked.runtime == AUTO
    choice = resolve_runtime(package, replace(asked, runtime=TORCH) if is_auto else asked)
    label = open_backbone(package, choice).label
    is_measured = is_auto and choice.device == CPU and is_installed(OPENVINO)
    return f"{label}; with 500 sequences or more, openvino where it is clearly faster" if is_measured else label


def _try_cluster(address: str, settings: Settings) -> str:
    """Count the workers, then have each of them prove that it can take part."""
    from triage_assets.scoring.cluster.session import CONNECTION_LOST, Patience, give_up, open_session
    from triage_assets.scoring.cluster.worker import ClusterJob

    patience = Patience(connect_seconds=_CLUSTER_SECONDS, pauses_seconds=(), workers_seconds=_CLUSTER_SECONDS)
    readings = read_each(configured(), read_identity)
    readings.require_any()
    use = ModelUse(next(iter(readings.found.values())), DETECTOR_ANNOTATOR, settings.runtime_choice, Permissions())
    job = ClusterJob(uuid.uuid4().hex, open_store(settings.triage_store), use, landmark=None)
    try:
        with closing(open_session(address, job, patience, is_first=True)) as session:
            n_workers = session.n_workers()
    except CONNECTION_LOST as error:
        raise give_up(address, 1, error) from None
    return f"{n_workers} {'worker' if n_workers == 1 else 'workers'} at {address}, of this version"
