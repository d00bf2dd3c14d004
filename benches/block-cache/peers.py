"""The three caches under test and the origins behind them.

Whatever imports this, even through another module, can import those of ../pass-through too.
"""

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "pass-through"))

import prepare  # noqa: E402 - it is found through the line above
from servers import BUCKET, Servers, Target, free_port  # noqa: E402

OURS, SLICE, VARNISH = "s3reel", "nginx slice", "varnish"
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
        self.leftovers = []

    def start(self, name, origin, capacity):
        """Start a cache of `capacity` MiB with nothing in it; a running one ends first."""
        self.stop(name)
        leftover = tempfile.TemporaryDirectory(prefix="peer-", dir=self.directory)
        servers = Servers(Path(leftover.name))
        self.running[name] = (servers, leftover)
        program = self.programs[name]
        if name == OURS:
            started = servers.s3reel(name, program, origin, f"{capacity}MiB")
        elif name == SLICE:
            started = servers.nginx(
                "slice", HERE / "nginx-slice.conf", program, ORIGIN=origin, BUCKET=BUCKET,
                CAPACITY=capacity, FILES=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            )  # fmt: skip
        else:
            started = varnish(servers, program, origin, capacity)
        return Target(name, *started)

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
    """The stand-ins for S3: fast, limited per connection, and far away."""

    fast: int
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
    """Start all three origins on the files in `data`."""
    limited = free_port()
    fast, _ = servers.nginx(
        "origins", HERE / "nginx-origins.conf", nginx, ROOT=data, LIMITED=limited
    )
    distant = free_port()
    log = servers.directory / "distant.log"
    log.touch()
    command = [python, "-B", HERE / "distant_origin.py", distant, data / BUCKET / "film.mp4", log]
    servers.start("distant", command, distant)
    return Origins(
        fast, limited, distant,
        {"limited": servers.directory / "requests.log", "distant": log},
    )  # fmt: skip


__all__ = ["BUCKET", "NAMES", "OURS", "SLICE", "VARNISH", "Peers", "prepare", "start_origins"]
