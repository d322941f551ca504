"""How fast a store is copied to a folder and to a bucket, in how much memory, and what a second copy takes.

Run it as `python -m benchmarks.sharing [--megabytes 1000] [--folder FOLDER]`; it needs four times that much room. The
bucket is on moto's server on loopback; that server and each copy are processes of their own.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import boto3

from benchmarks.shards import FRAMES_PER_SEQUENCE, KEY, answer, make_backlog, make_frames, seconds
from triage_assets.folder_store import FolderStore
from triage_assets.progress import no_progress
from triage_assets.shards.packing import pack_frames
from triage_assets.shards.verify import verify_shards
from triage_assets.sharing.copying import copy_store
from triage_assets.store import open_store

BUCKET = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--copy", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.copy:
        report_copy(*options.copy)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, s3_server():
        measure(Path(folder), options.megabytes)


def measure(folder: Path, megabytes: int) -> None:
    frames = make_frames()
    n_frames = megabytes * 1_000_000 // len(frames[0].image) // FRAMES_PER_SEQUENCE * FRAMES_PER_SEQUENCE
    source = FolderStore(folder / "source")
    source.stamp("http://127.0.0.1")
    backlog = list(make_backlog(n_frames // FRAMES_PER_SEQUENCE))
    # Shards of a tenth of the whole: a copy that is cut off begins one of them anew.
    pack_frames(source, KEY, backlog, partial(answer, frames), seal_bytes=megabytes * 100_000)
    size_mb = sum(found.size_bytes for found in source.list("shards")) / 1e6
    print(f"{size_mb:,.0f} MB in {n_frames:,} frames")
    show("cp -r", seconds(lambda: shutil.copytree(source.root, folder / "plain")), size_mb)
    show("triage shards verify", seconds(lambda: verify_shards(source, progress=no_progress)), size_mb)
    bucket = f"s3://{BUCKET}/store"
    for what, one, other in (
        ("folder to folder", source.location, str(folder / "copy")),
        ("folder to bucket", source.location, bucket),
        ("bucket to folder", bucket, str(folder / "fetched")),
    ):
        for note in ("", ", again"):
            command = [sys.executable, "-m", "benchmarks.sharing", "--copy", one, other]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            show(
                what + note, found["seconds"], found["megabytes"], f"{found['peak_mb']:,.0f} MB more memory at the peak"
            )


def show(what: str, took: float, size_mb: float, note: str = "") -> None:
    rate = f"{size_mb / took:>8,.0f} MB/s" if size_mb else f"{'':>13}"
    print(f"{what:<28}{took:>8.2f} s{rate}   {note}".rstrip(), flush=True)


def report_copy(source: str, destination: str) -> None:
    """Copy in this process, and print what it took as JSON."""
    stores = open_store(source), open_store(destination)
    for store in stores:  # whatever is imported for it
        store.size("store.json")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_mb()
    started = time.perf_counter()
    report = copy_store(*stores, progress=no_progress)
    took = time.perf_counter() - started
    assert not report.faults, report.faults
    print(json.dumps({"seconds": took, "megabytes": report.bytes_copied / 1e6, "peak_mb": peak_mb() - before}))


def peak_mb() -> float:
    """The most memory that this process has had at once (Linux). What getrusage says has its parent's in it."""
    [peak_kib] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak_kib) * 1024 / 1e6


@contextmanager
def s3_server() -> Iterator[None]:
    """A server with an empty bucket, which the environment names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    os.environ.update(credentials, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
    command = [str(Path(sys.executable).with_name("moto_server")), "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
            yield
        finally:
            server.terminate()


def wait_for(port: int) -> None:
    """Return once something answers there."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
