"""The command `triage`: the same graph and the same functions as Dagster's page, from a terminal.

What lives here: options, their help, and the order of calls. What does not: work of any kind, and the wording of
results (`console`). Heavy libraries are imported by the commands that need them, so that `triage --help` is quick.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from triage_assets.console import (
    console,
    end,
    errors,
    errors_as_sentences,
    print_groups,
    print_pull,
    print_scores,
    print_worklists,
    progress_bars,
    warn,
)
from triage_assets.doctor_command import doctor
from triage_assets.errors import ScoringError, SettingsError
from triage_assets.exchange_commands import export_app, import_folder
from triage_assets.model_commands import models_app
from triage_assets.scoring.records import AUTO, FLOAT32, TORCH, RuntimeChoice
from triage_assets.shard_commands import shards_app
from triage_assets.share_commands import fetch, publish
from triage_assets.user_commands import users_app
from triage_assets.viewer_command import viewer

if TYPE_CHECKING:
    from triage_assets.demo.server import DemoAnnotator
    from triage_assets.orchestrate import StageOutcome

app = typer.Typer(
    help="Turn a wildfire-camera annotation backlog into worklists. Settings come from the environment or a file .env.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(shards_app, name="shards")
app.add_typer(models_app, name="models")
app.add_typer(users_app, name="users")
app.add_typer(export_app, name="export")
app.command("import")(import_folder)
app.command()(viewer)
app.command()(publish)
app.command()(fetch)
app.command()(doctor)

Limit = Annotated[
    int | None, typer.Option(min=1, help="Make the backlog the oldest so many sequences of each organization.")
]
Stage = Annotated[
    str | None, typer.Option(help="Processing stage that makes up the backlog instead of ready_to_annotate.")
]
OrganizationName = Annotated[str | None, typer.Option("--organization", help="Only this organization, by name or key.")]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Scores at or above it go To Review; else TRIAGE_THRESHOLD, 0.35."),
]
SequenceCount = Annotated[int, typer.Option(min=1, help="Sequences waiting at the demo annotator.")]
Frames = Annotated[
    int | None, typer.Option(min=1, max=30, help="Frames of every sequence; 1 to 30 at random if empty.")
]
Seed = Annotated[int, typer.Option(help="Another seed gives other scenes.")]


@app.command()
def run(
    limit: Limit = None,
    stage: Stage = None,
    organization: OrganizationName = None,
    threshold: Threshold = None,
    no_pull: Annotated[
        bool, typer.Option("--no-pull", help="Ask no annotator: the backlog is what the store has.")
    ] = False,
) -> None:
    """Pull the backlog, pack its frames, group, score and split it; only what is missing is done."""
    if no_pull and (limit or stage or organization):
        raise typer.BadParameter("--limit, --stage and --organization say what to pull")
    with errors_as_sentences():
        _run(limit, stage, organization, threshold, no_pull=no_pull)


@app.command()
def pull(limit: Limit = None, stage: Stage = None, organization: OrganizationName = None) -> None:
    """Pull the backlog and pack its frames, without scoring."""
    with errors_as_sentences():
        from triage_assets.orchestrate import Scope, open_instance, pull_backlog

        with open_instance() as instance:
            totals = pull_backlog(instance, Scope(limit, stage, organization), progress_bars)
        print_pull(totals, is_limited=limit is not None)
        end(totals.troubles, totals.warnings)


@app.command()
def worklists(threshold: Threshold = None) -> None:
    """Split the scored backlog anew, with what people decided since; nothing is pulled or scored."""
    with errors_as_sentences():
        from triage_assets.orchestrate import given, materialize, open_instance

        with open_instance() as instance:
            grouping = materialize(instance, ["sequence_groups"])
            split = materialize(instance, ["worklists"], config={"worklists": given(threshold=threshold)})
        _print_stages(grouping, split)
        end([*grouping.troubles, *split.troubles], [*grouping.warnings, *split.warnings])


def _print_stages(grouping: "StageOutcome", split: "StageOutcome") -> None:
    """What came of grouping and splitting, as far as they came."""
    if groups := grouping.metadata.get("sequence_groups"):
        print_groups(groups)
    if worklists := split.metadata.get("worklists"):
        print_worklists(worklists)


def _run(
    limit: int | None = None,
    stage: str | None = None,
    organization: str | None = None,
    threshold: float | None = None,
    *,
    no_pull: bool = False,
) -> None:
    from triage_assets.orchestrate import (
        PullTotals,
        Scope,
        StageOutcome,
        check_models,
        given,
        materialize,
        model_runs,
        open_instance,
        pull_backlog,
    )

    warn(check_models())
    with open_instance() as instance:
        totals = PullTotals()
        if not no_pull:
            totals = pull_backlog(instance, Scope(limit, stage, organization), progress_bars)
            print_pull(totals, is_limited=limit is not None)
        grouping = materialize(instance, ["sequence_groups"])
        with progress_bars("scoring"):
            scoring = materialize(instance, ["predictions"])
        split = StageOutcome()
        if scored := scoring.metadata.get("predictions"):
            print_scores(model_runs(scored))
            # In a run of its own: what some models have scored is not to wait for the repair of another.
            split = materialize(instance, ["worklists"], config={"worklists": given(threshold=threshold)})
    _print_stages(grouping, split)
    stages = (grouping, scoring, split)
    troubles = [*totals.troubles, *(trouble for stage in stages for trouble in stage.troubles)]
    warnings = [*totals.warnings, *(warning for stage in stages for warning in stage.warnings)]
    if scored and not (totals.has_news or scored["scored_now"] or troubles or warnings):
        console.print("Nothing was left to do: 0 frames downloaded, 0 sequences scored.")
    end(troubles, warnings)


@app.command()
def score(
    model: Annotated[Path, typer.Option("--model", help="The model package, a model.zip.")],
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Each holds detections.json and frames/.")],
    as_json: Annotated[bool, typer.Option("--json", help="Whole results, one JSON object a line.")] = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="torch, openvino, or auto, which is torch: folders are too few to measure. Else TRIAGE_RUNTIME."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, mps, or auto: CUDA where there is one, else the CPU. Else TRIAGE_DEVICE, auto."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, or bfloat16: faster, and scores move. Else TRIAGE_PRECISION, float32."),
    ] = None,
) -> None:
    """Score loose sequences, without an annotator or a store."""
    with errors_as_sentences():
        from triage_assets.scoring.engine import ScoringEngine
        from triage_assets.scoring.loose import score_folder
        from triage_assets.scoring.package import load_package
        from triage_assets.scoring.runtimes.device import claim_lanes
        from triage_assets.settings import load_settings

        asked = load_settings().runtime_choice
        choice = RuntimeChoice(runtime or asked.runtime, device or asked.device, precision or asked.precision)
        if choice.runtime == AUTO:
            choice = replace(choice, runtime=TORCH)
        package = load_package(model)
        if package.identity.caution:
            errors.print(f"[bold yellow]Caution[/] {escape(package.identity.caution)}")
        failed = []
        with ScoringEngine(package, choice, lanes=claim_lanes()) as engine:
            lower = {} if choice.precision == FLOAT32 else {"runtime": engine.runtime}
            for folder in folders:
                try:
                    result = {**score_folder(engine, folder), **lower}
                except ScoringError as error:
                    failed.append(f"{folder}: {error}")
                    continue
                if as_json:
                    print(json.dumps(result))
                else:
                    verdict = "positive" if result["is_positive"] else "negative"
                    rule = f"{verdict} by the package's own threshold"
                    text = f"{result['name']}: probability {result['max_probability']:.4f}, {rule}"
                    print(f"{text} ({engine.runtime})" if lower else text)
        end(failed)


@app.command("demo-annotator")
def demo_annotator(
    port: Annotated[int, typer.Option(help="Port of the API on 127.0.0.1; images have a port of their own.")] = 8011,
    sequences: SequenceCount = 60,
    frames: Frames = None,
    seed: Seed = 0,
    latency_ms: Annotated[float, typer.Option(min=0, help="Delay of every answer.")] = 0.0,
) -> None:
    """Serve an annotator with rendered camera sequences on loopback, until stopped."""
    with errors_as_sentences():
        from triage_assets.demo.server import run_forever

        try:
            run_forever(
                port=port,
                sequences=sequences,
                frames=frames,
                seed=seed,
                latency_ms=latency_ms,
                login=os.environ.get("ANNOTATOR_API_LOGIN", "demo"),
                password=os.environ.get("ANNOTATOR_API_PASSWORD", "demo"),
                announce=_announce,
            )
        except OSError as error:
            raise SettingsError(
                f"The demo annotator cannot listen on port {port}",
                found=error.strerror or str(error),
                do="Give another --port.",
            ) from None


def _announce(server: "DemoAnnotator") -> None:
    own = os.environ.get("ANNOTATOR_API_PASSWORD")
    console.print(f"Demo annotator with {len(server.backlog.ready_ids())} sequences at {server.api_url}")
    console.print(
        f"  ANNOTATOR_API_URL={server.api_url} ANNOTATOR_API_LOGIN={server.login} "
        f"ANNOTATOR_API_PASSWORD={'(as it is set here)' if own else server.password}"
    )


@app.command()
def demo(sequences: SequenceCount = 60) -> None:
    """Run the whole graph against a demo annotator: pull, pack, group, score, split."""
    with errors_as_sentences(), _demo_annotator(sequences):
        _run()
        console.print("\nOpen the graph with `make dev`, then http://127.0.0.1:3000 in a browser.")


@app.command()
def dev(sequences: SequenceCount = 60) -> None:
    """Open Dagster's page; with the demo annotator beside it where no ANNOTATOR_API_URL is set."""
    with errors_as_sentences():
        from triage_assets.settings import load_settings

        command = [str(Path(sys.executable).with_name("dagster")), "dev"]
        beside = nullcontext() if load_settings().annotator_api_url else _demo_annotator(sequences)
        # Also when started in the background of a script, where an interrupt would be ignored by all children.
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, signal.default_int_handler)
        with beside, subprocess.Popen(command) as page:
            try:
                raise typer.Exit(page.wait())
            except KeyboardInterrupt:
                page.send_signal(signal.SIGINT)
                page.wait()


@contextmanager
def _demo_annotator(sequences: int) -> Iterator[None]:
    """A demo annotator that this process and its children find in their environment."""
    from triage_assets.demo.backlog import DemoBacklog
    from triage_assets.demo.server import DemoAnnotator

    with DemoAnnotator(DemoBacklog(sequences=sequences)) as server:
        os.environ.update(
            ANNOTATOR_API_URL=server.api_url,
            ANNOTATOR_API_LOGIN=server.login,
            ANNOTATOR_API_PASSWORD=server.password,
        )
        console.print(f"Demo annotator with {sequences} sequences at {server.api_url}")
        yield


if __name__ == "__main__":
    app()
