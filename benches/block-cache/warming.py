"""What has to be in a cache before it is measured."""

import http.client
import os
import time

from peers import GATEWAY, OURS, SLICE, prepare
from prepare import MIB
from works import load

SETTLED = 300
"""Seconds after which everything has to be on disk."""
PIECE = 1 << 20


def warm_up(bench, peers, work, target):
    """Read into a cache what is to be warm, and see that it is on disk where it has to be."""
    # Twice: a cache that resists scans may keep a block only when it is asked for again.
    for _ in range(2):
        read_all(bench, work, target)
    if not work.disk or target.name not in (OURS, SLICE):
        return
    # All but what stays in memory, which a disk that was behind has not kept: whether S3 is asked is
    # counted in any case.
    wanted = sum(size // MIB for _, size in work.warm) * 99 // 100
    give_up = time.monotonic() + SETTLED
    # What comes faster than it can be written is not kept, and comes again.
    while (have := peers.blocks_on_disk(target.name)) < wanted:
        if time.monotonic() > give_up:
            raise prepare.Missing(f"{target.name} has {have} of {wanted} blocks on disk")
        read_all(bench, work, target)
    # So that the disk has nothing to do any more, and every file was read once as it is.
    os.sync()
    read_all(bench, work, target)


def read_all(bench, work, target):
    """Read every warm object to its end."""
    for key, size in work.warm:
        found = load(bench, target, key, size, 1, 1, "whole")
        if "problem" in found:
            raise prepare.Missing(f"{target.name} does not warm up: {found['problem']}")
        if target.name == GATEWAY:
            read_as_range(target, key, size)


def read_as_range(target, key, size):
    """Read an object by a range of all of it, which the gateway keeps apart from whole ones."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    try:
        connection.request("GET", target.path(key), headers={"Range": "bytes=0-"})
        answer = connection.getresponse()
        length = 0
        while piece := answer.read(PIECE):
            length += len(piece)
        if (answer.status, length) != (206, size):
            said = f"status {answer.status}, {length} bytes"
            raise prepare.Missing(f"{target.name} does not warm up: {said}")
    except (OSError, http.client.HTTPException) as error:
        raise prepare.Missing(f"{target.name} does not warm up: {error!r}") from None
    finally:
        connection.close()
