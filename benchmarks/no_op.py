"""What the bare command costs when there is nothing to score, beside the same command on an asset that does nothing.

Run it as `python benchmarks/no_op.py [--sequences 60]`. Both commands run in one folder, with one instance, by turns.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TRIVIAL = """
import dagster as dg

@dg.asset
def trivial() -> None: ...

defs = dg.Definitions(assets=[trivial], executor=dg.in_process_executor)
"""


def run(command: list[str], folder: Path, **environment: str) -> float:
    """Seconds that the command takes; it must succeed."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(PROJECT / "dagster.yaml", folder)
        (folder / "trivial.py").write_text(TRIVIAL, encoding="utf-8")
        run([str(BIN / "triage"), "demo", "--sequences", str(options.sequences)], folder)
        command = [str(BIN / "dagster"), "asset", "materialize", "--select"]
        trivial, no_op = [], []
        for _ in range(options.repeats):
            trivial.append(run([*command, "trivial"], folder, DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME="trivial"))
            no_op.append(run([*command, "predictions"], folder))
    ours, theirs = statistics.median(no_op), statistics.median(trivial)
    print(
        f"trivial asset        {theirs:6.2f} s  (median of {options.repeats}: {min(trivial):.2f} to {max(trivial):.2f})"
    )
    print(f"predictions, no work {ours:6.2f} s  (median of {options.repeats}: {min(no_op):.2f} to {max(no_op):.2f})")
    print(f"ratio                {ours / theirs:6.2f}    goal at most 1.5")


if __name__ == "__main__":
    main()
