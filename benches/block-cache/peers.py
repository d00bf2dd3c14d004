"""The caches under test and the origins behind them.

Whatever imports this, even through another module, can import those of ../pass-through too.
"""

import re
import resource
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "pass-through"))

import gateway  # noqa: E402 - what it imports is found through the line above
import prepare  # noqa: E402
from servers import BUCKET, Servers, Target, free_port  # noqa: E402

OURS, SLICE, VARNISH, GATEWAY = "s3reel", "nginx slice", "varnish", "nginx-s3-gateway"
NAMES = (OURS, SLICE, VARNISH)


def fill_in(text, values):
    """Put values in place of @NAMES@."""
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


class Peers:
    """Starts caches, each in a directory of its own so that one can be begun anew."""

    def __init__(self, directory, programs):
        self.directory = directory
        self.programs = programs
        self.running = {}
        self.admin = None
        """The port that our figures are told on."""

    def start(self, name, origin, capacity, disk=0):
        """Start a cache of `capacity` MiB with nothing in it; a running one ends first.

        With `disk` ours has that many MiB on disk under those in memory, and nginx, which has
        no others, that many instead.
        """
        self.stop(name)
        leftover = tempfile.TemporaryDirectory(prefix="peer-", dir=self.directory)
        servers = Servers(Path(leftover.name))
        self.running[name] = (servers, leftover)
        program = self.programs[name]
        if name == OURS:
            settings = {}
            if disk:
                self.admin = free_port()
                settings = {
                    "S3REEL_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
                    "S3REEL_CACHE_DIR": str(servers.directory / "blocks"),
                    "S3REEL_CACHE_DISK": f"{disk}MiB",
                    # As long as nginx is told to believe what it has.
                    "S3REEL_METADATA_TTL": "24h",
                }
            started = servers.s3reel(name, program, origin, f"{capacity}MiB", **settings)
        elif name == SLICE:
            started = servers.nginx(
                "slice", HERE / "nginx-slice.conf", program, ORIGIN=origin, BUCKET=BUCKET,
                CAPACITY=disk or capacity, FILES=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            )  # fmt: skip
        elif name == GATEWAY:
            started = gateway.start(servers, self.programs[SLICE], program, origin)
        else:
            started = varnish(servers, program, origin, capacity)
        return Target(name, *started)

    def blocks_on_disk(self, name):
        """How many blocks of 1 MiB ours or nginx has in files."""
        if name == SLICE:
            servers, _ = self.running[name]
            return sum(file.is_file() for file in (servers.directory / "cache").rglob("*"))
        address = f"http://127.0.0.1:{self.admin}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read().decode()
        told = re.search(r"^s3reel_cache_disk_blocks (\d+)$", text, re.MULTILINE)
        return int(told[1]) if told else 0

    def stop(self, name=None):
        """Stop one cache, or all, and throw away what they kept."""
        for each in [name] if name else list(self.running):
            if each in self.running:
                servers, leftover = self.running.pop(each)
                servers.stop()
                leftover.cleanup()


def varnish(servers, program, origin, capacity):
    """Start Varnish: everything in memory, streaming, its other settings as they come."""
    port = free_port()
    vcl = servers.directory / "films.vcl"
    text = (HERE / "varnish.vcl").read_text()
    vcl.write_text(fill_in(text, {"ORIGIN": origin, "BUCKET": BUCKET}))
    command = [
        program, "-F", "-j", "none", "-n", servers.directory / "varnish", "-T", "none",
        "-a", f"127.0.0.1:{port}", "-f", vcl, "-s", f"malloc,{capacity}M",
    ]  # fmt: skip
    process = servers.start("varnish", command, port)
    # The parent listens before the child has compiled and loaded anything.
    time.sleep(0.5)
    return port, process


@dataclass
class Origins:
    """The stand-ins for S3: fast, fast and counting, limited per connection, and far away."""

    fast: int
    counted: int
    limited: int
    distant: int
    logs: dict

    def requests(self, kind, path):
        """What a logging origin was asked about one path: (requests, bytes of body sent)."""
        time.sleep(0.3)  # until the last request has ended and stands in the log
        lines = [line.split() for line in self.logs[kind].read_text().splitlines()]
        mine = [line for line in lines if line[1].partition("?")[0] == path]
        return len(mine), sum(int(line[3]) for line in mine)


def start_origins(servers, nginx, data, python):
    """Start all origins on the files in `data`."""
    counted, limited = free_port(), free_port()
    fast, _ = servers.nginx(
        "origins", HERE / "nginx-origins.conf", nginx,
        ROOT=data, COUNTED=counted, LIMITED=limited,
    )  # fmt: skip
    distant = free_port()
    log = servers.directory / "distant.log"
    log.touch()
    command = [python, "-B", HERE / "distant_origin.py", distant, data / BUCKET / "film.mp4", log]
    servers.start("distant", command, distant)
    return Origins(
        fast, counted, limited, distant,
        {
            "counted": servers.directory / "counted.log",
            "limited": servers.directory / "requests.log",
            "distant": log,
        },
    )  # fmt: skip


__all__ = [
    "BUCKET", "GATEWAY", "NAMES", "OURS", "SLICE", "VARNISH", "Peers", "prepare", "start_origins",
]  # fmt: skip
