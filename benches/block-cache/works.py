"""The workloads: what each peer is made to do, and what is read off it."""

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from functools import partial

import players
from measure import GIB, cpu_seconds, measure, memory
from measure import Workload as Requests
from peers import BUCKET, NAMES, OURS, SLICE
from prepare import MIB
from servers import process_tree

FILM, CLIP = ("film.mp4", GIB), ("clip.mp4", 64 * MIB)
LONG = ("long.mp4", 3 * GIB)
"""Twelve times the memory that it is served with from disk."""
FULL = 512
"""MiB of a cache that is to be full."""
SECONDS = 90
"""A single measurement that takes longer has failed."""


@dataclass(frozen=True)
class Work:
    """One workload. `origin` names the port of S3; `capacity` is the cache's size in MiB."""

    name: str
    title: str
    run: object
    """Called with (bench, target, round); returns the figures."""
    origin: str = "fast"
    capacity: int = 3072
    disk: int = 0
    """MiB of blocks on disk under them, if any; everything warm is on disk then."""
    peers: tuple = NAMES
    anew: bool = False
    """Whether every round begins with a fresh process and an empty cache."""
    warm: tuple = ()
    """The objects that are read once before anything is measured."""
    figures: tuple = ()
    """(figure, title, format) of the tables."""


def load(bench, target, key, size, connections, requests, mode, seed=0):
    """Run the load client and take the server's CPU with it."""
    work = Requests("", "", key, size, connections, requests, mode)
    for _ in range(2):
        found = measure(bench.programs["load"], target, work, requests, seed, SECONDS)
        # Once, a minute after its start, nginx ends a process that has loaded its cache's index.
        if "started or ended" not in found.get("problem", ""):
            break
    return found


def stampede(bench, target, number):
    """100 viewers open one object that nobody has asked for."""
    key = f"fresh/stampede-{target.name.replace(' ', '-')}-{number}.mp4"
    found = load(bench, target, key, CLIP[1], 100, 100, "whole")
    asked, sent = bench.origins.requests("limited", f"/{BUCKET}/{key}")
    found["origin_requests"] = asked
    found["origin_bytes"] = sent / CLIP[1]
    found["finish_s"] = found.get("elapsed_s", 0)
    return found


def fill(bench, target, number, count=None):
    """Different cold objects, one after the other on one connection each."""
    count = count or max(2, round(8 * bench.scale))
    tree = process_tree(target.process.pid)
    before, begun = cpu_seconds(tree), time.monotonic()
    for index in range(count):
        key = f"fresh/fill-{target.name.replace(' ', '-')}-{number}-{index}.mp4"
        found = load(bench, target, key, CLIP[1], 1, 1, "whole")
        if "problem" in found:
            return found
    cpu = cpu_seconds(tree) - before
    volume = count * CLIP[1]
    return {
        "cpu_s_per_gib": cpu * GIB / volume,
        "mib_per_s": volume / MIB / (time.monotonic() - begun),
        **memory(tree),
    }


def fill_full(bench, target, number):
    """The same once the cache is full, so that each block takes another one's place."""
    return fill(bench, target, number, 2 * FULL * MIB // CLIP[1] if number == 0 else None)


def warm(file, connections, requests, mode, bench, target, number):
    """Requests for what is in the cache."""
    count = max(connections, round(requests * bench.scale * (0.1 if number == 0 else 1)))
    return load(bench, target, *file, connections, count, mode, number)


def from_disk(connections, requests, mode, bench, target, number):
    """Requests for what is on disk, of which S3 must not notice anything."""
    path = f"/{BUCKET}/{LONG[0]}"
    before = bench.origins.requests("counted", path)[0]
    found = warm(LONG, connections, requests, mode, bench, target, number)
    found["origin_requests"] = bench.origins.requests("counted", path)[0] - before
    if found["origin_requests"]:
        found.setdefault("problem", f"S3 was asked {found['origin_requests']} times")
    return found


def slow(bench, target, number):
    """Viewers at 2 Mbit/s of what is in the cache; memory is read near the end."""
    viewers, rate = max(10, round(2000 * min(bench.scale, 1))), 250_000
    seconds = 14
    tree = process_tree(target.process.pid)
    before = memory(tree)["pss_mib"]
    command = [
        bench.programs["viewers"], target.port, target.path(FILM[0]), viewers, rate, FILM[1],
        number, seconds,
    ]  # fmt: skip
    cpu = cpu_seconds(tree)
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True
    ) as running:
        time.sleep(seconds * 0.85)
        during = memory(process_tree(target.process.pid))["pss_mib"]
        said = running.communicate()[0]
    cpu = cpu_seconds(tree) - cpu
    if running.returncode != 0:
        return {"problem": f"viewers ended with {running.returncode}"}
    found = json.loads(said)
    found["kib_per_viewer"] = (during - before) * 1024 / viewers
    found["cpu_s_per_gib"] = cpu * GIB / max(found["bytes"], 1)
    return found


def distant(bench, target, number):
    """Four players on four films that nobody has asked for, S3 being far away."""
    keys = [f"fresh/{target.name.replace(' ', '-')}-{number}-{index}.mp4" for index in range(4)]
    seeks = max(1, round(12 * bench.scale))
    paths = [target.path(key) for key in keys]
    found = players.play(target.port, paths, FILM[1], seeks, number)
    sent = sum(bench.origins.requests("distant", f"/{BUCKET}/{key}")[1] for key in keys)
    found["origin_per_taken"] = sent / max(found["taken_bytes"], 1)
    found["start_p50_ms"] = statistics.median(found["start_ms"] or [0])
    ordered = sorted(found["seek_ms"] or [0])
    found["seek_p50_ms"] = statistics.median(ordered)
    found["seek_p99_ms"] = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return found


CPU_REQUEST = ("cpu_us_per_request", "CPU us/request", "{:.1f}")
CPU_GIB = ("cpu_s_per_gib", "CPU s/GiB", "{:.3f}")
WARM = (
    CPU_REQUEST,
    ("requests_per_s", "requests/s", "{:.0f}"),
    ("ttfb_p99_ms", "TTFB p99 ms", "{:.2f}"),
)
BOTH = {"disk": 3072}
"""Blocks in memory and in files, all of them in both: nginx has files too."""
ON_DISK = {
    "origin": "counted", "capacity": 256, "disk": 5120, "peers": (OURS, SLICE), "warm": (LONG,),
}  # fmt: skip
S3_REQUESTS = ("origin_requests", "S3 requests", "{:.0f}")

WORKS = [
    Work(
        "stampede", "100 viewers, one cold object of 64 MiB, 50 MB/s a connection to S3", stampede,
        origin="limited",
        figures=(
            ("origin_bytes", "S3 bytes / object", "{:.3f}"),
            ("origin_requests", "S3 requests", "{:.0f}"),
            ("first_body_p50_ms", "first byte p50 ms", "{:.1f}"),
            ("finish_s", "all done s", "{:.2f}"),
            CPU_REQUEST,
        ),
    ),
    Work(
        "fill", "Cold fill: 8 objects of 64 MiB, memory that was never used", fill, anew=True,
        figures=(CPU_GIB, ("mib_per_s", "MiB/s", "{:.0f}")),
    ),
    Work(
        "refill", "Cold fill: 8 objects of 64 MiB, the cache being full", fill_full, capacity=FULL,
        figures=(CPU_GIB, ("mib_per_s", "MiB/s", "{:.0f}")),
    ),
    Work(
        "mib", "Warm: random 1 MiB ranges of 1 GiB, 64 connections",
        partial(warm, FILM, 64, 8192, str(MIB)), **BOTH, warm=(FILM,), figures=WARM,
    ),
    Work(
        "kib64", "Warm: random 64 KiB ranges of 64 MiB, 32 connections",
        partial(warm, CLIP, 32, 50000, str(64 << 10)), **BOTH, warm=(CLIP,), figures=WARM,
    ),
    Work(
        "probe", "Warm: bytes=0-1, 32 keep-alive connections",
        partial(warm, CLIP, 32, 80000, "probe"), **BOTH, warm=(CLIP,), figures=WARM,
    ),
    Work(
        "bulk", "Warm: whole object of 1 GiB, 1 connection",
        partial(warm, FILM, 1, 6, "whole"), **BOTH, warm=(FILM,),
        figures=(CPU_GIB, ("mib_per_s", "MiB/s", "{:.0f}")),
    ),
    Work(
        "memory-mib", "Warm, memory alone: random 1 MiB ranges of 1 GiB, 64 connections",
        partial(warm, FILM, 64, 8192, str(MIB)), warm=(FILM,), figures=WARM,
    ),
    Work(
        "memory-kib64", "Warm, memory alone: random 64 KiB ranges of 64 MiB, 32 connections",
        partial(warm, CLIP, 32, 50000, str(64 << 10)), warm=(CLIP,), figures=WARM,
    ),
    Work(
        "memory-probe", "Warm, memory alone: bytes=0-1, 32 keep-alive connections",
        partial(warm, CLIP, 32, 80000, "probe"), warm=(CLIP,), figures=WARM,
    ),
    Work(
        "memory-bulk", "Warm, memory alone: whole object of 1 GiB, 1 connection",
        partial(warm, FILM, 1, 6, "whole"), warm=(FILM,),
        figures=(CPU_GIB, ("mib_per_s", "MiB/s", "{:.0f}")),
    ),
    Work(
        "disk-mib", "Disk: random 1 MiB ranges of 3 GiB, 64 connections, 256 MiB of memory",
        partial(from_disk, 64, 8192, str(MIB)), **ON_DISK, figures=(*WARM, S3_REQUESTS),
    ),
    Work(
        "disk-kib64", "Disk: random 64 KiB ranges of 3 GiB, 32 connections, 256 MiB of memory",
        partial(from_disk, 32, 50000, str(64 << 10)), **ON_DISK, figures=(*WARM, S3_REQUESTS),
    ),
    Work(
        "disk-bulk", "Disk: whole object of 3 GiB, 1 connection, 256 MiB of memory",
        partial(from_disk, 1, 2, "whole"), **ON_DISK,
        figures=(CPU_GIB, ("mib_per_s", "MiB/s", "{:.0f}"), S3_REQUESTS),
    ),
    Work(
        "slow", "2 000 viewers at 2 Mbit/s, warm", slow, anew=True, warm=(FILM,),
        figures=(
            ("kib_per_viewer", "KiB/viewer", "{:.1f}"), ("errors", "errors", "{:.0f}"),
            ("delivered", "of wanted bytes", "{:.3f}"), CPU_GIB,
            ("ttfb_p50_ms", "TTFB p50 ms", "{:.1f}"),
        ),
    ),
    Work(
        "distant", "Players at 8 and 25 Mbit/s; S3 at 30 ms (p99 150 ms), 80 MB/s a connection",
        distant,
        origin="distant", capacity=5120, anew=True,
        figures=(
            ("start_p50_ms", "start ms", "{:.0f}"), ("seek_p50_ms", "seek p50 ms", "{:.0f}"),
            ("seek_p99_ms", "seek p99 ms", "{:.0f}"), ("stalls", "stalls", "{:.0f}"),
            ("origin_per_taken", "S3 bytes / taken", "{:.2f}"),
        ),
    ),
]  # fmt: skip


def descriptors_missing(work):
    """Why a workload cannot run on this machine, or None."""
    limit = os.sysconf("SC_OPEN_MAX")
    if work.name == "slow" and limit < 6000:
        return f"open files are limited to {limit}: ulimit -n 6000 or more"
    return None
