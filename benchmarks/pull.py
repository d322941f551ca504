"""How fast frames are pulled, against the plainest way to do it, and how much memory pulling and packing take.

Run from the repository's root: ``python benchmarks/pull.py``. The demo annotator runs in a process of its own; every
measured pull, too, has one. Ratios travel between machines, absolute numbers do not.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import requests

from triage_assets.annotator.client import AnnotatorClient
from triage_assets.annotator.pull import pull_sequences
from triage_assets.annotator.records import WantedSequence, partition_key
from triage_assets.annotator.snapshot import iter_sequences
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.server import DemoAnnotator
from triage_assets.folder_store import FolderStore
from triage_assets.shards.packing import pack_frames
from triage_assets.store import Store

TINY = (64, 36)
FULL = (1280, 720)
# The pictures fit into the server's memory; the backlog is pulled several times over so that starting up weighs little.
TIMES = 4


def serve(n_sequences: int, n_frames: int, latency_ms: float, size: tuple[int, int]) -> None:
    """Serve until standard input closes; the address goes to standard output."""
    backlog = DemoBacklog(sequences=n_sequences, frames=n_frames, image_size=size)
    with DemoAnnotator(backlog, latency_ms=latency_ms) as server:
        print(server.api_url, flush=True)
        sys.stdin.read()


@contextmanager
def demo_annotator(n_sequences: int, n_frames: int, latency_ms: float, *, tiny: bool) -> Iterator[str]:
    """The demo annotator in its own process; gives its address."""
    arguments = ["serve", str(n_sequences), str(n_frames), str(latency_ms), *(["--tiny"] if tiny else [])]
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def pull_backlog(client: AnnotatorClient, store: Store) -> list[str]:
    keys = sorted({partition_key(organization) for organization in client.list_organizations()})
    for key in keys:
        pull_sequences(client, store, key)
    return keys


def wanted(store: Store, keys: list[str]) -> Iterator[WantedSequence]:
    return (WantedSequence(sequence) for key in keys for sequence in iter_sequences(store, key))


def ours(url: str, folder: str, max_in_flight: int, n_times: int) -> tuple[int, float]:
    """Frames downloaded by the client, the whole backlog ``n_times`` over, and the seconds it took."""
    store = FolderStore(Path(folder))
    with AnnotatorClient(url, "demo", "demo", max_in_flight=max_in_flight) as client:
        keys = pull_backlog(client, store)
        started = time.perf_counter()
        repeated = itertools.chain.from_iterable(wanted(store, keys) for _ in range(n_times))
        n_frames = sum(len(done.frames) for done in client.download(repeated))
        return n_frames, time.perf_counter() - started


def pull_and_pack(url: str, folder: str, max_in_flight: int) -> tuple[int, float]:
    """Frames stored by a whole run, backlog to shards, and the seconds it took."""
    store = FolderStore(Path(folder))
    started = time.perf_counter()
    with AnnotatorClient(url, "demo", "demo", max_in_flight=max_in_flight) as client:
        keys = pull_backlog(client, store)
        reports = [pack_frames(store, key, iter_sequences(store, key), client.download) for key in keys]
    return sum(report.n_frames_downloaded for report in reports), time.perf_counter() - started


def plain(url: str, folder: str, n_times: int) -> tuple[int, float]:
    """The same frames by requests and threads, without a session: 8 sequences at a time, 4 frames of each."""
    store = FolderStore(Path(folder))
    with AnnotatorClient(url, "demo", "demo") as client:
        keys = pull_backlog(client, store)
    sequences = [[detection.id for detection in one.sequence.detections] for one in wanted(store, keys)]
    login = requests.post(f"{url}/api/v1/auth/login", json={"username": "demo", "password": "demo"}, timeout=30)
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}

    def fetch(detection_id: int) -> int:
        signed = requests.get(f"{url}/api/v1/detections/{detection_id}/url", headers=headers, timeout=30).json()["url"]
        return len(requests.get(signed, timeout=30).content)

    def fetch_all(detection_ids: list[int]) -> int:
        with ThreadPoolExecutor(4) as frames:
            return sum(1 for size in frames.map(fetch, detection_ids) if size)

    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        n_frames = sum(pool.map(fetch_all, sequences * n_times))
    return n_frames, time.perf_counter() - started


def in_own_process(what: str, url: str, folder: str, max_in_flight: int, n_times: int = 1) -> dict[str, float]:
    command = [sys.executable, __file__, what, url, folder, str(max_in_flight), str(n_times)]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer


def compare_speed(n_sequences: int, n_frames: int, rounds: int) -> None:
    print(f"{n_sequences} sequences of {n_frames} frames, 1280x720 JPEG, 30 ms latency, url and image per frame")
    with demo_annotator(n_sequences, n_frames, 30.0, tiny=False) as url, tempfile.TemporaryDirectory() as folder:
        in_own_process("ours", url, folder, 64)  # renders the pictures
        results: dict[str, list[float]] = {"requests, 8x4 threads": [], "this client, 32": [], "this client, 64": []}
        for _ in range(rounds):
            for name, what, most in (
                ("requests, 8x4 threads", "plain", 32),
                ("this client, 32", "ours", 32),
                ("this client, 64", "ours", 64),
            ):
                done = in_own_process(what, url, folder, most, TIMES)
                results[name].append(done["frames"] / done["seconds"])
    baseline = median(results["requests, 8x4 threads"])
    print(f"{'client, in flight':<24}{'frames/s':>10}{'ratio':>8}   all rounds")
    for name, rates in results.items():
        print(
            f"{name:<24}{median(rates):>10.0f}{median(rates) / baseline:>8.2f}   {', '.join(f'{r:.0f}' for r in rates)}"
        )


def compare_memory(sizes: tuple[int, ...], n_frames: int) -> None:
    print(f"\npeak memory of pull and pack, {n_frames} frames a sequence, 64x36 JPEG")
    print(f"{'sequences':>10}{'frames':>10}{'peak MB':>10}{'after import MB':>17}{'s':>8}")
    for n_sequences in sizes:
        with (
            demo_annotator(n_sequences, n_frames, 0.0, tiny=True) as url,
            tempfile.TemporaryDirectory() as folder,
        ):
            done = in_own_process("pack", url, folder, 32)
            print(
                f"{n_sequences:>10}{done['frames']:>10.0f}{done['peak_mb']:>10.0f}"
                f"{done['import_mb']:>17.0f}{done['seconds']:>8.1f}"
            )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), TINY if "--tiny" in sys.argv else FULL)
        return
    if sys.argv[1:2] in (["ours"], ["plain"], ["pack"]):
        what, url, folder, most, n_times = sys.argv[1:6]
        import_mb = peak_mb()
        if what == "ours":
            n_frames, seconds = ours(url, folder, int(most), int(n_times))
        elif what == "pack":
            n_frames, seconds = pull_and_pack(url, folder, int(most))
        else:
            n_frames, seconds = plain(url, folder, int(n_times))
        print(json.dumps({"frames": n_frames, "seconds": seconds, "peak_mb": peak_mb(), "import_mb": import_mb}))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sequences", type=int, default=75)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="*", default=[500, 5000], help="sizes of backlog to measure")
    options = parser.parse_args()
    compare_speed(options.sequences, options.frames, options.rounds)
    if options.memory:
        compare_memory(tuple(options.memory), options.frames)


if __name__ == "__main__":
    main()
