"""What the benchmark needs before it starts: programs, the load client, the venv, the files."""

import hashlib
import os
import random
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
MIB = 1 << 20
DEBIAN = {"nginx": "nginx-light", "cc": "gcc libc6-dev", "varnishd": "varnish"}


class Missing(Exception):
    """Something needed is not there; the message says what to do."""


def program(name):
    """The path of a program, looked for in the sbin directories too; None when absent."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def apt_install(packages):
    """Install Debian packages; True when that worked. Needs root.

    RUNLEVEL=1 keeps the packages' own services from being started.
    """
    if os.geteuid() != 0 or not program("apt-get"):
        return False
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages.split()]
    for command in (["apt-get", "update", "-q"], install):
        ended = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, timeout=300, check=False
        )
    return ended.returncode == 0


def need(name):
    """The path of a required program, its Debian package installed if root."""
    if not program(name):
        apt_install(DEBIAN[name])
    if not program(name):
        raise Missing(f"{name} is missing: as root, apt-get install {DEBIAN[name]}")
    return program(name)


def load_client(target):
    """Compile load.c; returns the program's path."""
    return compiled(HERE / "load.c", target)


def compiled(source, target):
    """Compile one C file into the target directory; returns the program's path."""
    binary = target / f"bench-{source.stem}"
    command = [need("cc"), "-O2", "-Wall", "-o", binary, source]
    if subprocess.run(command, check=False).returncode != 0:
        raise Missing(f"{source.name} does not compile: as root, apt-get install {DEBIAN['cc']}")
    return binary


def venv(target):
    """The Flask peer's virtual environment; returns its bin directory.

    Made anew when requirements.txt has changed since.
    """
    home = target / "bench-venv"
    requirements = HERE / "requirements.txt"
    stamp = home / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return home / "bin"
    python = program("python3")
    make = [python, "-m", "venv", "--clear", home]
    if subprocess.run(make, capture_output=True, check=False).returncode != 0:
        apt_install("python3-venv")
        if subprocess.run(make, capture_output=True, check=False).returncode != 0:
            raise Missing("python3 -m venv fails: as root, apt-get install python3-venv")
    pip = [home / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", requirements]
    try:
        ended = subprocess.run(pip, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise Missing("pip install took more than 5 minutes") from None
    if ended.returncode != 0:
        raise Missing("pip could not install requirements.txt")
    stamp.write_text(digest)
    return home / "bin"


def make_file(path, size):
    """Write a file of pseudo-random bytes, the same in every run.

    Not sparse: a wrong offset then shows as wrong bytes, and the page cache that the
    origin sends from is filled as it would be by real media.
    """
    source = random.Random(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        for _ in range(size // MIB):
            out.write(source.randbytes(MIB))
