"""An S3 that is far away: each answer begins late and flows at a limited rate.

    distant_origin.py PORT FILE LOG

Every key is FILE. The time to the first byte is log-normal, median 30 ms and 99th
percentile 150 ms, and each connection gets at most 80 MB/s. LOG gets a line for each
request when it ends: method, path, status, bytes of body.
"""

import asyncio
import math
import mmap
import random
import re
import socket
import sys

MEDIAN = 0.030
SIGMA = math.log(150 / 30) / 2.3263
"""2.3263 is the 99th percentile of the normal distribution."""
RATE = 80e6
PIECE = 256 << 10
RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)


async def answer(loop, viewer, head, film, log):
    """One answer: wait, head, paced body."""
    method, path, _ = head.split(b" ", 2)
    wanted = RANGE.search(head)
    first, last, status = 0, len(film) - 1, "200 OK"
    fields = "Accept-Ranges: bytes\r\nContent-Type: video/mp4\r\n"
    fields += 'ETag: "distant"\r\nLast-Modified: Fri, 20 Nov 2026 12:00:00 GMT\r\n'
    if wanted:
        first = int(wanted[1])
        last = min(int(wanted[2] or last), last)
        status = "206 Partial Content"
        fields += f"Content-Range: bytes {first}-{last}/{len(film)}\r\n"
    length = last + 1 - first
    sent = 0
    try:
        await asyncio.sleep(MEDIAN * math.exp(random.gauss(0, SIGMA)))
        text = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n"
        await loop.sock_sendall(viewer, text.encode())
        begun = loop.time()
        while method == b"GET" and sent < length:
            piece = film[first + sent : first + min(sent + PIECE, length)]
            await loop.sock_sendall(viewer, piece)
            sent += len(piece)
            early = begun + sent / RATE - loop.time()
            if early > 0:
                await asyncio.sleep(early)
    finally:
        print(method.decode(), path.decode(), status[:3], sent, file=log, flush=True)


async def connection(loop, viewer, film, log):
    """Requests one after the other until the other side leaves."""
    have = b""
    try:
        while True:
            while b"\r\n\r\n" not in have:
                more = await loop.sock_recv(viewer, 65536)
                if not more:
                    return
                have += more
            head, _, have = have.partition(b"\r\n\r\n")
            await answer(loop, viewer, head, film, log)
    except OSError:
        pass  # the proxy wanted no more: what it got is in the log
    finally:
        viewer.close()


async def main(port, path, log_path):
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    alive = set()
    with open(path, "rb") as file, open(log_path, "a", encoding="ascii") as log:
        film = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=1024)
        listener.setblocking(False)
        while True:
            viewer, _ = await loop.sock_accept(listener)
            viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(connection(loop, viewer, film, log))
            alive.add(task)
            task.add_done_callback(alive.discard)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
