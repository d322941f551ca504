"""The outside world as Dagster resources: typed factories that give one plain object each.

What lives here: where the annotator, the store and the models come from. What does not: their use. Values left empty
come from the settings when an asset runs, so nothing is read while definitions load, and no secret is in a run's
configuration.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from triage_assets.annotator.snapshot import stored_keys
from triage_assets.configured_models import configured_packages
from triage_assets.defs.abandoned_runs import note_process
from triage_assets.demo import DEMO_MODEL
from triage_assets.errors import SettingsError, TriageError
from triage_assets.scoring.identity import model_fingerprint
from triage_assets.scoring.imported import imported_models
from triage_assets.settings import Settings, load_settings, require_annotator
from triage_assets.store import Store, open_store

if TYPE_CHECKING:
    from triage_assets.annotator.client import AnnotatorClient
    from triage_assets.review.database import ReviewDatabase


class StoreResource(dg.ConfigurableResource):
    """The store that every asset reads and writes.

    As every run has it, it also notes which process executes a run, before the run waits for anything.
    """

    location: str | None = Field(None, description="Folder of the store; TRIAGE_STORE where empty.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Called for runs and sensors alike; a sensor has no run."""
        if context.run is not None and context.instance is not None:
            note_process(context.instance, context.run)

    def open(self) -> Store:
        """The store, without touching it."""
        return open_store(self.location or load_settings().triage_store)


class AnnotatorResource(dg.ConfigurableResource):
    """The annotator, read-only. Address and credentials come from ANNOTATOR_API_URL, _LOGIN and _PASSWORD."""

    def settings(self) -> Settings:
        """The settings, proven to hold an address and credentials."""
        return require_annotator(load_settings())

    def connect(self) -> "AnnotatorClient":
        """A client to be used as a context manager; nothing is sent yet."""
        return open_client(self.settings())


class ReviewResource(dg.ConfigurableResource):
    """The review database, where people's decisions are."""

    url: str | None = Field(
        None, description="SQLAlchemy URL; TRIAGE_REVIEW_DB, or review.sqlite in the store, if empty."
    )

    @contextmanager
    def open(self) -> "Iterator[ReviewDatabase]":
        """The database, created and brought to this version where needed, and closed at the end."""
        from triage_assets.review.database import open_review

        with closing(open_review(self._url())) as review:
            yield review

    def exists(self) -> bool:
        """Whether there is a database already. Raises `ReviewUnavailable`."""
        from triage_assets.review.watch import is_there

        return is_there(self._url())

    def has_annotations(self) -> bool:
        """Whether there is a database, and an annotation in it. Raises `ReviewUnavailable`."""
        from triage_assets.review.watch import has_annotations

        return has_annotations(self._url())

    def last_decision(self) -> str | None:
        """A text that changes with every decision of a person; None where there is none yet."""
        from triage_assets.review.watch import last_decision

        return last_decision(self._url())

    def _url(self) -> str:
        return self.url or load_settings().review_url


class ModelsResource(dg.ConfigurableResource):
    """The model packages that score the backlog."""

    paths: list[str] = Field(default=[], description="Model packages; TRIAGE_MODEL where empty.")

    def packages(self, store: Store) -> tuple[Path, ...]:
        """The packages' files, as `configured_packages` chooses them."""
        return configured_packages(store, load_settings(), [Path(path) for path in self.paths])

    def packages_to_split(self, store: Store) -> tuple[Path, ...]:
        """The same; none where none is named, and scores were imported, or all of the backlog was."""
        try:
            return self.packages(store)
        except SettingsError:
            if imported_models(store).identities or (store.annotator() is None and stored_keys(store)):
                return ()
            raise


def open_client(settings: Settings) -> "AnnotatorClient":
    """A client for the annotator that the settings name; they must have passed `require_annotator`."""
    from triage_assets.annotator.client import AnnotatorClient

    assert settings.annotator_api_url and settings.annotator_api_login and settings.annotator_api_password
    return AnnotatorClient(
        settings.annotator_api_url,
        settings.annotator_api_login,
        settings.annotator_api_password.get_secret_value(),
        max_in_flight=settings.triage_max_in_flight,
    )


RESOURCES = {
    "store": StoreResource(location=None),
    "annotator": AnnotatorResource(),
    "models": ModelsResource(),
    "review": ReviewResource(url=None),
}


def configured_model_version() -> str | None:
    """The version of the scoring code and weights, for Dagster to tell when predictions are out of date.

    The SHA-256 of the configured packages, of the demo's model where none is configured, None where one is missing.
    This alone reads a file while definitions load, because Dagster takes a code version then or never.
    """
    try:
        hashes = [model_fingerprint(path) for path in load_settings().model_paths or (DEMO_MODEL,)]
    except TriageError:
        return None
    return "+".join(hashes)
