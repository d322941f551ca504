"""Settings from the environment and an optional ``.env`` file: one class, read when needed, never at import.

What lives here: names, defaults and checks of what a user configures. What does not: the use of any of it.
"""

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from triage_assets.errors import SettingsError


class Settings(BaseSettings):
    """Everything a user can set from outside; see the README for a table of the variables."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    annotator_api_url: str | None = Field(
        None, description="Address of the annotator's API host, without the path /api/v1."
    )
    annotator_api_login: str | None = Field(None, description="User name at the annotator.")
    annotator_api_password: SecretStr | None = Field(None, description="Password at the annotator.")
    triage_store: str = Field("data", description="Folder or s3://bucket/prefix that holds everything produced.")
    triage_model: str | None = Field(
        None, description="One or several model.zip files, separated like the entries of PATH."
    )
    # 0.35 is the operating point that annotation works with. What another would send to people shows in the histogram
    # and the per-organization table of the asset `worklists`.
    triage_threshold: float = Field(
        0.35, ge=0, le=1, description="Scores at or above it go To Review, unless a run is told otherwise."
    )
    triage_max_in_flight: int = Field(
        32, ge=1, le=1024, description="Most requests under way at once; the real server copes with 32."
    )

    @field_validator("triage_store")
    @classmethod
    def _expand_home(cls, value: str) -> str:
        return value if "://" in value else str(Path(value).expanduser())

    @property
    def model_paths(self) -> tuple[Path, ...]:
        """The model packages named by TRIAGE_MODEL, in order; empty where it is not set."""
        names = (self.triage_model or "").split(os.pathsep)
        return tuple(Path(name).expanduser() for name in names if name.strip())


def load_settings() -> Settings:
    """Read the settings. Raises `SettingsError` naming each variable whose value cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        raise SettingsError(
            "A setting has a value that cannot be used",
            found=faults,
            do="Correct it in the environment or in .env.",
        ) from None


def require_annotator(settings: Settings) -> Settings:
    """The same settings, proven to name an annotator and credentials. Raises `SettingsError` naming what is missing."""
    values = {
        "ANNOTATOR_API_URL": settings.annotator_api_url,
        "ANNOTATOR_API_LOGIN": settings.annotator_api_login,
        "ANNOTATOR_API_PASSWORD": settings.annotator_api_password,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise SettingsError(
            "The annotator's address and credentials are needed",
            found=f"{', '.join(missing)} not set",
            expected="all three of " + ", ".join(values),
            do="Set them in the environment or in .env, or try everything with `make demo`.",
        )
    return settings
