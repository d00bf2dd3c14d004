"""See `run`: S3 falls silent for a minute and speaks again."""

import argparse
import asyncio
import collections
import random
import signal
import sys
import time

import film
import soak

VIEWERS = 16
BEFORE, AFTER = 10, 15


async def viewer(address, until, answers, seed):
    chance = random.Random(seed)
    reader = writer = None
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(*address)
            first = chance.randrange(film.LENGTH - 65536)
            writer.write(f"GET /steady.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes={first}-{first + 65535}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head[9:12])
            length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            await reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            status, writer = 0, None
        answers.append((began, time.monotonic() - began, status))
        if status != 206:
            await asyncio.sleep(0.2)


async def alive(port, until, checks):
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await reader.read()
        checks.append((head.startswith(b"HTTP/1.1 200"), time.monotonic() - began))
        writer.close()
        await asyncio.sleep(0.1)


async def run(arguments):
    origin = film.FaultyS3(1, 0)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, limit=1 << 16)
    port = server.sockets[0].getsockname()[1]
    process, (viewers_port, admin), draining = await soak.start(arguments.program, port, {})
    begun = time.monotonic()
    silent_from, silent_to = begun + BEFORE, begun + BEFORE + arguments.seconds
    until = silent_to + AFTER
    answers, checks = [], []

    async def fall_silent():
        await asyncio.sleep(BEFORE)
        origin.speaking.clear()
        await asyncio.sleep(arguments.seconds)
        origin.speaking.set()

    address = ("127.0.0.1", viewers_port)
    await asyncio.gather(fall_silent(), alive(admin, until, checks),
                         *(viewer(address, until, answers, number) for number in range(VIEWERS)))
    process.send_signal(signal.SIGTERM)
    await process.wait()
    draining.cancel()
    rate = lambda since, to: sum(1 for at, took, status in answers if since <= at + took < to and status == 206) / (to - since)
    before = rate(begun + 2, silent_from)
    silent = [answer for answer in answers if silent_from <= answer[0] < silent_to - 10]
    normal = next((second for second in range(AFTER) if rate(silent_to + second, silent_to + second + 1) >= 0.8 * before), None)
    print(f"before: {before:.0f} answers a second")
    print(f"silent for {arguments.seconds} s: {dict(collections.Counter(status for _, _, status in silent))}, "
          f"the slowest after {max((took for _, took, _ in silent), default=0):.1f} s")
    print(f"/livez: {len(checks)} checks, {sum(1 for ok, _ in checks if not ok)} failed, "
          f"the slowest {1000 * max(took for _, took in checks):.0f} ms")
    print(f"after: four fifths of the rate from second {normal} on; {rate(silent_to + 5, until):.0f} answers a second")
    return normal is not None and normal < 5 and all(ok for ok, _ in checks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--program", required=True)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)
