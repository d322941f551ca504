"""The checks of `triage doctor`: one function per thing that can be wrong, each returning what it found.

What lives here: looking, without changing anything but a probe in the store. What does not: printing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from triage_assets.defs.resources import ModelsResource, open_client
from triage_assets.settings import load_settings, require_annotator
from triage_assets.store import open_store


def check_settings() -> str:
    """Every setting parses and the annotator is named."""
    settings = require_annotator(load_settings())
    return f"store {settings.triage_store}, at most {settings.triage_max_in_flight} requests in flight"


def check_annotator() -> str:
    """The annotator answers, accepts the credentials and lists organizations."""
    with open_client(require_annotator(load_settings())) as client:
        names = [organization.name for organization in client.list_organizations()]
    return f"{len(names)} organizations: {', '.join(names)}"


def check_store() -> str:
    """The store takes a file, and belongs to the annotator that the settings name."""
    settings = load_settings()
    store = open_store(settings.triage_store)
    store.write("doctor.probe", b"probe")
    store.delete("doctor.probe")
    if store.annotator() and settings.annotator_api_url:
        store.stamp(settings.annotator_api_url)
    return f"{store.location} can be written; filled from {store.annotator() or 'nothing yet'}"


def check_models() -> str:
    """Every model package loads and reproduces its own sanity checks."""
    from triage_assets.scoring.package import load_package

    store = open_store(load_settings().triage_store)
    packages = [load_package(path) for path in ModelsResource().packages(store)]
    cautions = [package.identity.caution for package in packages if package.identity.caution]
    return "; ".join([", ".join(package.name for package in packages), *cautions])


# In this order; where the first fails the others are not tried, because they all need the settings.
CHECKS: dict[str, Callable[[], str]] = {
    "settings": check_settings,
    "annotator": check_annotator,
    "store": check_store,
    "model": check_models,
}


def compare_model(path: Path | None) -> Iterator[str]:
    """What every runtime of this machine makes of a model, line by line; without a path, of those of TRIAGE_MODEL.

    Raises `PackageError` and `SettingsError`.
    """
    from triage_assets.scoring.package import load_package
    from triage_assets.scoring.records import OPENVINO
    from triage_assets.scoring.runtimes.choice import is_installed
    from triage_assets.scoring.runtimes.comparison import compare_runtimes

    paths = [path] if path else ModelsResource().packages(open_store(load_settings().triage_store))
    for path in paths:
        package = load_package(path)
        yield f"{package.name}, backbone {package.settings.classifier.backbone}"
        if package.identity.caution:
            yield f"  {package.identity.caution}"
        yield f"  {'runtime':28s}{'crops/s':>9s}{'logits differ by at most':>26s}{'on average':>12s}"
        for found in compare_runtimes(package):
            yield (
                f"  {found.runtime:28s}{found.crops_per_second:9.1f}"
                f"{found.largest_difference:26.1e}{found.mean_difference:12.1e}"
            )
    if not is_installed(OPENVINO):
        yield "  openvino is not installed: `pip install 'triage-assets[openvino]'`"
