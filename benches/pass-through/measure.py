"""Correctness checks and single measurements of one target."""

import http.client
import json
import subprocess
import time
from dataclasses import dataclass

from prepare import MIB
from servers import process_tree

GIB = 1 << 30


@dataclass(frozen=True)
class Workload:
    """A fixed number of requests; `mode` is the load client's: whole, probe or a length."""

    name: str
    title: str
    key: str
    size: int
    connections: int
    requests: int
    mode: str

    def count(self, share):
        """How many requests a target gets: never fewer than there are connections."""
        return max(self.connections, round(self.requests * share))


FILES = {"film.mp4": GIB, "clip.mp4": 64 * MIB}

WORKLOADS = [
    Workload("bulk", "Bulk: whole 1 GiB object, 1 connection", "film.mp4", GIB, 1, 6, "whole"),
    Workload("mib", "1 MiB ranges of 1 GiB, 64 connections", "film.mp4", GIB, 64, 8192, str(MIB)),
    Workload(
        "kib64", "64 KiB ranges of 64 MiB, 32 connections",
        "clip.mp4", 64 * MIB, 32, 50000, str(64 << 10),
    ),
    Workload(
        "probe", "Probes: bytes=0-1, 32 keep-alive connections",
        "clip.mp4", 64 * MIB, 32, 80000, "probe",
    ),
]  # fmt: skip


def check(target, directory):
    """Compare a target's answers with the files; returns what is wrong, or None."""
    for key, size in FILES.items():
        middle = size // 2 + 12345
        for first, last in ((0, 1), (middle, middle + 3 * MIB)):
            wanted = f"bytes={first}-{last}"
            status, headers, body = get(target, key, {"Range": wanted})
            if status != 206:
                return f"{key} {wanted}: status {status}"
            if headers.get("Content-Range") != f"bytes {first}-{last}/{size}":
                return f"{key} {wanted}: Content-Range {headers.get('Content-Range')}"
            with open(directory / key, "rb") as file:
                file.seek(first)
                if body != file.read(last - first + 1):
                    return f"{key} {wanted}: other bytes than the file's"
    status, headers, body = get(target, "clip.mp4", {})
    if status != 200 or headers.get("Content-Length") != str(FILES["clip.mp4"]):
        return f"clip.mp4: status {status}, Content-Length {headers.get('Content-Length')}"
    if body != (directory / "clip.mp4").read_bytes():
        return "clip.mp4: other bytes than the file's"
    return None


def get(target, key, headers):
    """One GET on its own connection: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        connection.request("GET", target.path(key), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"none ({error!r})", {}, b""
    finally:
        connection.close()


def measure(load, target, workload, requests, seed, seconds):
    """Run the load client once; returns its figures with the server's CPU and memory.

    The key "problem" says why a measurement must not be used.
    """
    command = [
        str(load), str(target.port), target.path(workload.key), str(workload.connections),
        str(requests), str(workload.size), workload.mode, str(seed), f"{seconds:.1f}",
    ]  # fmt: skip
    tree = process_tree(target.process.pid)
    before = cpu_seconds(tree)
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    time.sleep(0.02)  # the server closes its connections
    after = cpu_seconds(tree)
    if ended.returncode != 0:
        return {"problem": "load client: " + ended.stderr.strip()}
    figures = json.loads(ended.stdout)
    if figures["errors"]:
        figures["problem"] = f"{figures['errors']} faults, first: {figures['first_error']}"
    elif figures["timed_out"]:
        figures["problem"] = f"{figures['requests']} of {requests} requests in {seconds:.0f} s"
    elif figures["reconnects"] > requests / 100:
        figures["problem"] = f"closed {figures['reconnects']} of its keep-alive connections"
    elif before is None or after is None or process_tree(target.process.pid) != tree:
        figures["problem"] = "a server process started or ended while it was measured"
    else:
        cpu = after - before
        figures["cpu_s"] = cpu
        figures["cpu_us_per_request"] = cpu * 1e6 / figures["requests"]
        figures["cpu_s_per_gib"] = cpu * GIB / figures["bytes"]
        figures["requests_per_s"] = figures["requests"] / figures["elapsed_s"]
        figures["mib_per_s"] = figures["bytes"] / MIB / figures["elapsed_s"]
        figures.update(memory(tree))
    return figures


def cpu_seconds(tree):
    """user+sys of the processes; None when one of them is gone.

    Read from each process's CPU clock (see clock_getcpuclockid(3)): the sum that
    /proc/PID/stat shows, threads included, but in nanoseconds instead of 10 ms ticks.
    """
    try:
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in tree)
    except OSError:
        return None


def memory(tree):
    """Proportional memory now and the sum of the peaks, in MiB."""
    totals = {"pss_mib": 0.0, "peak_rss_mib": 0.0}
    for pid in tree:
        for name, file, label in (
            ("pss_mib", "smaps_rollup", "Pss:"),
            ("peak_rss_mib", "status", "VmHWM:"),
        ):
            with open(f"/proc/{pid}/{file}", encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith(label):
                        totals[name] += int(line.split()[1]) / 1024
    return totals
