"""Starts, watches and stops the origin and the peers, all on free loopback ports."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from prepare import HERE, Missing

BUCKET = "bucket"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass
class Target:
    """One server under test."""

    name: str
    port: int
    process: subprocess.Popen
    prefix: str = "/"
    share: float = 1.0
    """The part of each workload's requests that it gets: less than 1 for slow peers."""
    version: str = ""

    def path(self, key):
        """The request target of an object."""
        return self.prefix + key


@dataclass
class Servers:
    """Everything that was started, so that all of it is stopped."""

    directory: Path
    running: list = field(default_factory=list)

    def start(self, name, command, port, environment=None):
        """Start a server and wait until it accepts connections."""
        log_path = self.directory / f"{name.replace(' ', '-')}.out"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=clean_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Should this script be killed outright, its servers end too.
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
            )
        self.running.append(process)
        give_up = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return process
            except OSError:
                time.sleep(0.05)
        said = log_path.read_text(errors="replace")[-2000:].strip()
        state = "still runs" if process.poll() is None else f"exit code {process.returncode}"
        raise Missing(f"{name} does not listen ({state}): {said or 'it said nothing'}")

    def stop(self):
        """End every server, by process id: first asked, then killed with its children."""
        trees = [process_tree(process.pid) for process in self.running]
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process, tree in zip(self.running, trees):
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                for pid in tree:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                process.wait()
        self.running.clear()

    def nginx(self, name, config, nginx, **values):
        """Start an nginx from one of the configurations here, or one with a whole path.

        Returns (port, process).
        """
        (self.directory / "tmp").mkdir(exist_ok=True)
        values["PORT"] = free_port()
        values["DIR"] = self.directory
        # The workers must be able to read the private temporary directory.
        values["USER"] = "user root;" if os.geteuid() == 0 else ""
        text = (HERE / config).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        filled = self.directory / Path(config).name
        filled.write_text(text)
        command = [nginx, "-p", self.directory, "-c", filled, "-e", self.directory / "start.log"]
        return values["PORT"], self.start(name, command, values["PORT"])

    def flask(self, bin_directory, origin_port):
        """Start Flask + boto3 under gunicorn: 2 processes of 32 threads."""
        port = free_port()
        command = [
            bin_directory / "python", "-B", "-m", "gunicorn", "--chdir", HERE,
            "--worker-class", "gthread", "--workers", 2, "--threads", 32,
            "--keep-alive", 75, "--timeout", 120, "--graceful-timeout", 1,
            "--no-control-socket", "--log-level", "warning",
            "--bind", f"127.0.0.1:{port}", "flask_app:app",
        ]  # fmt: skip
        environment = {"BENCH_BUCKET": BUCKET, **s3_environment(origin_port)}
        return port, self.start("Flask", command, port, environment)

    def s3reel(self, name, binary, origin_port, cache_memory="0", **settings):
        """Start `s3reel serve`, as a plain pass-through unless it is given memory for a cache.

        Further settings are environment variables.
        """
        port = free_port()
        environment = {
            "S3REEL_BUCKET": BUCKET,
            "S3REEL_LISTEN": f"127.0.0.1:{port}",
            "S3REEL_ADMIN_LISTEN": "off",
            "S3REEL_CACHE_MEMORY": cache_memory,
            "S3REEL_WORKERS": "2",
            "S3REEL_DRAIN_DELAY": "0s",
            "S3REEL_DRAIN_TIMEOUT": "1s",
            "RUST_LOG": "warn",
            **s3_environment(origin_port),
            **settings,
        }
        return port, self.start(name, [binary, "serve"], port, environment)


def free_port():
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def s3_environment(origin_port):
    """What points an AWS SDK at the origin, and at nothing else."""
    return {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{origin_port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def clean_environment(extra):
    """The caller's environment without settings that would change a peer, plus `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "S3REEL_", "GUNICORN_", "FLASK_", "PYTHON"))
        and not name.lower().endswith("_proxy")
    }
    return {**kept, **extra}


def process_tree(root):
    """The process ids of a process and all its descendants, in order."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The fields after the command, which is in brackets and may hold blanks.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    tree = [root]
    for pid in tree:
        tree += sorted(child for child, parent in parents.items() if parent == pid)
    return tree
