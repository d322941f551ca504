"""The commands `triage models`: which models have scored the backlog, and forgetting one.

What lives here: their options, their help and what they ask. What does not: the models' files
(`scoring.files.stored_models`), and the table's wording (`console`).
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from triage_assets.console import console, count_of, describe_size, end, errors, errors_as_sentences, print_models
from triage_assets.errors import SettingsError, StoreError
from triage_assets.progress import describe_duration

if TYPE_CHECKING:
    from triage_assets.scoring.files.stored_models import StoredModel
    from triage_assets.store import Store

models_app = typer.Typer(no_args_is_help=True, help="Look after the models' predictions.")


@models_app.command("list")
def list_stored(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """List the models that have predictions in the store.

    Scored, dropped and coverage are of the backlog as it is now. A model whose package is gone is listed too: what it
    scored is kept until `triage models forget`.
    """
    with errors_as_sentences():
        from triage_assets.configured_models import configured_names
        from triage_assets.defs.backlog import load_backlog_table
        from triage_assets.scoring.files.stored_models import list_models
        from triage_assets.settings import load_settings
        from triage_assets.store import open_store

        settings = load_settings()
        store = open_store(settings.triage_store)
        configured = configured_names(store, settings)
        models = list_models(store, load_backlog_table(store)[0], configured.names)
        if as_json:
            described = [
                {
                    **asdict(model),
                    "is_configured": model.name in configured.names,
                    "coverage": model.coverage,
                    "changed_at": model.changed_at and model.changed_at.isoformat(),
                }
                for model in models
            ]
            typer.echo(json.dumps({"store": store.location, "models": described, "troubles": configured.troubles}))
            return
        if models:
            console.print(f"Backlog   {models[0].n_backlog:,} sequences in {store.location}", markup=False)
            print_models(models, configured.names)
        else:
            console.print(f"No model has predictions in {store.location}", markup=False)
        end((), configured.troubles)


@models_app.command()
def forget(
    name: Annotated[str, typer.Argument(help="A version, version-hash, or the beginning of it, as `list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Does not cover a model that is configured.")] = False,
    configured: Annotated[
        bool, typer.Option("--configured", help="Also a model that is configured: the next run scores all anew.")
    ] = False,
) -> None:
    """Delete one model's predictions.

    Nothing else is touched, and only scoring again brings them back. A model that is still configured (by TRIAGE_MODEL,
    or as the demo's; with whatever detector and precision) is refused without --configured, also with --yes: a script
    should not throw away the scores that tomorrow's worklists are made of. So is any model while it cannot be
    told what is configured (a package cannot be read, nothing is named), because it may be that one.
    """
    with errors_as_sentences():
        from triage_assets.configured_models import configured_names
        from triage_assets.defs.backlog import load_backlog_table
        from triage_assets.scoring.files.stored_models import find_model, forget_model, list_models
        from triage_assets.settings import load_settings
        from triage_assets.store import open_store
        from triage_assets.worklists.export import listed_models

        settings = load_settings()
        store = open_store(settings.triage_store)
        model = find_model(list_models(store, load_backlog_table(store)[0]), name)
        known = configured_names(store, settings)
        is_in_use = model.name in known.names
        is_configured = model.model_name in known.models and not model.is_imported
        if not (is_configured or configured or model.is_imported) and known.troubles:
            raise SettingsError(
                f"Whether {model.name} is configured cannot be told",
                found="; ".join(text.rstrip(".") for text in known.troubles),
                do="Repair that first, or add --configured.",
            )
        if is_configured and not configured:
            raise SettingsError(
                f"{model.name} is configured: the next run would score the whole backlog again"
                if is_in_use
                else f"{model.name} is of a model that is configured, with another detector or precision just now",
                found="it in TRIAGE_MODEL" if settings.triage_model else "no TRIAGE_MODEL, so the demo's model",
                do="Set TRIAGE_MODEL to other models first, or add --configured.",
            )
        console.print(f"{model.name}: {_describe_loss(store, model)}", markup=False)
        if not (yes or _is_confirmed()):
            errors.print("Nothing was deleted.")
            raise typer.Exit(1)
        n_files = forget_model(store, model.name)
        console.print(f"Deleted {count_of(n_files, 'file')}, {describe_size(model.size_bytes)}")
        if is_in_use:
            console.print(
                "Run `triage run` to score the backlog again; until then the worklists show what they showed."
            )
        elif model.name in listed_models(store):
            console.print("The worklists still hold its scores: run `triage worklists` to split without it.")


def _describe_loss(store: "Store", model: "StoredModel") -> str:
    """How many scores would be lost, and how long they took where Dagster remembers."""
    from triage_assets.orchestrate import recorded_seconds
    from triage_assets.scoring.files.stored_models import count_scores

    try:
        scores = count_of(count_scores(store, model.name), "score")
    except StoreError as error:
        scores = f"an unknown number of scores ({error})"
    seconds = recorded_seconds(store, model.name)
    took = f", which took {describe_duration(seconds)}" if seconds else ""
    return f"{scores} in {count_of(model.n_parts, 'part')}, {describe_size(model.size_bytes)}{took}"


def _is_confirmed() -> bool:
    """Ask; where there is nobody to answer, the answer is no."""
    try:
        return typer.confirm("Delete them? Only scoring again would bring them back.")
    except typer.Abort:
        errors.print("\nNobody answered: give --yes where nobody can be asked.")
        return False
