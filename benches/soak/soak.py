"""See `run`."""

import argparse
import asyncio
import collections
import os
import random
import re
import signal
import socket
import struct
import sys
import time

import film

VIEWERS = 24
FAULTS = 0.15
OVERWRITE_EVERY = 2.0

# Stalls and pauses come round often enough to be worth the time.
IMPATIENT = {"S3REEL_VIEWER_HOLD": "1s", "S3REEL_ORIGIN_IDLE_TIMEOUT": "1s", "S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT": "1s"}


class Cut(Exception):
    """The connection ended before the answer did."""


class Viewer:
    """One that does what viewers do, and checks every byte that it gets."""

    def __init__(self, address, versions, tally, seed):
        self.address, self.versions, self.tally = address, versions, tally
        self.random = random.Random(seed)

    async def run(self, until):
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                for _ in range(self.random.randrange(1, 6)):
                    if not await self.once(reader, writer):
                        break
            except (Cut, ConnectionError, asyncio.IncompleteReadError):
                self.tally["connection ended"] += 1
            if self.random.random() < 0.3 and not writer.is_closing():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()

    async def once(self, reader, writer):
        """One request; whether the connection is good for another."""
        what = self.random.choice(["whole", "range", "range", "seek", "pause", "head", "parts"])
        fields, method, take = "", "GET", None
        if what in ("range", "seek", "pause"):
            first = self.random.randrange(film.LENGTH)
            last = "" if what == "seek" else min(first + self.random.randrange(1, 1 << 20), film.LENGTH - 1)
            fields = f"Range: bytes={first}-{last}\r\n"
        if what == "parts":
            fields = "Range: bytes=0-99,5000000-5099999\r\n"
        if what == "head":
            method = "HEAD"
        if what == "seek" or (what == "whole" and self.random.random() < 0.5):
            take = self.random.randrange(1 << 21)
        writer.write(f"{method} /film.mp4 HTTP/1.1\r\nHost: soak\r\n{fields}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head[9:12])
        self.tally[f"{status}"] += 1
        names = {name.lower(): value.strip() for name, _, value in
                 (line.partition(":") for line in head.split("\r\n")[1:]) if name}
        length = 0 if method == "HEAD" else int(names.get("content-length", 0))
        if status not in (200, 206):
            await reader.readexactly(length)
            return "close" not in names.get("connection", "")
        if names.get("content-type", "").startswith("multipart"):
            body = await self.body(reader, length, None, None, 0)
            self.check_parts(names, body)
            return True
        version = int(names["etag"].strip('"'), 16)
        found = re.match(r"bytes (\d+)-", names.get("content-range", ""))
        first = int(found.group(1)) if found else 0
        if what == "pause":
            await asyncio.sleep(self.random.random() * 4)
        await self.body(reader, length, take, self.versions[version], first)
        return take is None or take >= length

    async def body(self, reader, length, take, whole, first):
        got, kept = 0, []
        while got < length and (take is None or got < take):
            piece = await reader.read(min(1 << 16, length - got))
            if not piece:
                self.tally["cut"] += 1
                raise Cut
            if whole is None:
                kept.append(piece)
            elif piece != whole[first + got:first + got + len(piece)]:
                self.tally["CORRUPT"] += 1
                raise Cut
            got += len(piece)
            self.tally["bytes"] += len(piece)
        return b"".join(kept)

    def check_parts(self, names, body):
        version = int(names["etag"].strip('"'), 16)
        for found in re.finditer(rb"(?i)content-range: bytes (\d+)-(\d+)/\d+\r\n\r\n", body):
            first, last = int(found.group(1)), int(found.group(2))
            part = body[found.end():found.end() + last - first + 1]
            if part != self.versions[version][first:last + 1]:
                self.tally["CORRUPT"] += 1


async def prober(address, until, latencies):
    """A viewer whose object has no faults."""
    reader, writer = await asyncio.open_connection(*address)
    while time.monotonic() < until:
        began = time.monotonic()
        writer.write(b"GET /steady.mp4 HTTP/1.1\r\nHost: soak\r\nRange: bytes=0-1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 206"):
            raise SystemExit(f"the steady object: {head.decode('latin-1')}")
        await reader.readexactly(2)
        latencies.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    writer.close()


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


async def watch(pid, until, samples):
    began = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(1)
        samples.append((time.monotonic() - began, resident(pid), descriptors(pid)))


def slope(samples):
    """Least squares over the second half, in MiB an hour."""
    half = samples[len(samples) // 2:]
    times, sizes = [sample[0] for sample in half], [sample[1] for sample in half]
    middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
    across = sum((at - middle) ** 2 for at in times) or 1.0
    return 3600 * sum((at - middle) * (size - mean) for at, size in zip(times, sizes)) / across


async def start(program, s3_port, settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3REEL_"))}
    environment |= {
        "S3REEL_BUCKET": "films", "S3REEL_LISTEN": "127.0.0.1:0", "S3REEL_ADMIN_LISTEN": "127.0.0.1:0",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3_port}", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIASOAKSOAKSOAK", "AWS_SECRET_ACCESS_KEY": "secret", "RUST_LOG": "s3reel::service=info"} | settings
    process = await asyncio.create_subprocess_exec(program, "serve", env=environment, stderr=asyncio.subprocess.PIPE)
    ports = []
    while len(ports) < 2:
        line = (await process.stderr.readline()).decode()
        if not line:
            raise SystemExit("the program ended")
        found = re.search(r"on http://127\.0\.0\.1:(\d+)", line)
        ports += [int(found.group(1))] if found else []

    async def drain():
        while await process.stderr.readline():
            pass

    return process, ports, asyncio.create_task(drain())


async def figures(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    wanted = ("s3reel_s3_retries_total", "s3reel_s3_resumes_total", "s3reel_s3_bodies_open", "s3reel_requests_in_flight",
              "s3reel_responses_aborted_total")
    return [line for line in text.splitlines() if line.startswith(wanted)]


async def soak(arguments):
    origin = film.FaultyS3(arguments.seed, FAULTS)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, limit=1 << 16)
    process, (port, admin), draining = await start(arguments.program, server.sockets[0].getsockname()[1], IMPATIENT)
    tally, latencies, samples = collections.Counter(), [], []
    until = time.monotonic() + arguments.seconds
    address = ("127.0.0.1", port)
    before = descriptors(process.pid)
    overwriting = asyncio.create_task(origin.overwrite(OVERWRITE_EVERY))
    viewers = [Viewer(address, origin.versions, tally, arguments.seed + number) for number in range(VIEWERS)]
    await asyncio.gather(prober(address, until, latencies), watch(process.pid, until, samples),
                         *(viewer.run(until) for viewer in viewers))
    overwriting.cancel()
    await asyncio.sleep(3)
    told, after = await figures(admin), descriptors(process.pid)
    process.send_signal(signal.SIGTERM)
    await process.wait()
    draining.cancel()
    latencies.sort()
    at = lambda part: 1000 * latencies[min(int(part * len(latencies)), len(latencies) - 1)]
    sizes = [sample[1] for sample in samples]
    print(f"{arguments.seconds} s, {VIEWERS} viewers, seed {arguments.seed}")
    print(f"answers by status: {dict(sorted((k, v) for k, v in tally.items() if k.isdigit()))}")
    print(f"read by viewers: {tally['bytes'] / 2**30:.1f} GiB; cut visibly: {tally['cut']}; corrupt: {tally['CORRUPT']}")
    print(f"S3: {origin.calls} calls, {origin.broken} of them faulty, {origin.overwrites} overwrites")
    print(f"memory: {sizes[0]:.0f} MiB at first, {max(sizes):.0f} at most, {sizes[-1]:.0f} at last; "
          f"slope of the second half {slope(samples):+.0f} MiB an hour")
    print(f"descriptors: {before} before, {max(sample[2] for sample in samples)} at most, {after} after")
    print(f"the viewer without faults: {len(latencies)} probes, median {at(.5):.1f} ms, p99 {at(.99):.1f} ms, "
          f"worst {at(1):.0f} ms")
    print("\n".join(told))
    return tally["CORRUPT"] == 0 and process.returncode == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(0 if asyncio.run(soak(parser.parse_args())) else 1)
