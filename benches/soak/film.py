"""Objects whose bytes tell where they belong, and an S3 that serves them badly."""

import array
import asyncio
import random
import socket
import struct
import sys

LENGTH = 8 << 20
VERSIONS = 8


def content(version):
    """Aligned words of eight bytes: the version in the first, the word's own index in the others."""
    words = array.array("Q", (version << 56 | word for word in range(LENGTH // 8)))
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


class FaultyS3:
    """A few operations of S3 over raw sockets. The film is replaced every few seconds, and its answers break off, stall, lie
    or fail at random; `steady.mp4` is always well."""

    def __init__(self, seed, faults):
        self.random = random.Random(seed)
        self.versions = [content(version) for version in range(VERSIONS)]
        self.current = 0
        self.faults = faults
        # Cleared, it takes connections and says nothing on any of them.
        self.speaking = asyncio.Event()
        self.speaking.set()
        self.calls = 0
        self.broken = 0
        self.overwrites = 0

    async def overwrite(self, period):
        while True:
            await asyncio.sleep(period)
            self.current = (self.current + 1) % VERSIONS
            self.overwrites += 1

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self.answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever asked has left, or the soak is over
        finally:
            writer.close()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        await self.speaking.wait()
        line, *fields = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields) if name}
        method, target, _ = line.split(" ")
        if "list-type=2" in target:
            body = (b"<ListBucketResult><Name>films</Name><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys>"
                    b"<IsTruncated>false</IsTruncated></ListBucketResult>")
            return await self.send(writer, "200 OK", {"Content-Type": "application/xml"}, body)
        self.calls += 1
        steady = "steady" in target
        version = 0 if steady else self.current
        body, tag = self.versions[version], f'"{version:032x}"'
        common = {"ETag": tag, "Content-Type": "video/mp4", "Last-Modified": "Sat, 01 Aug 2026 00:00:00 GMT"}
        if fields.get("if-match", tag) != tag:
            return await self.error(writer, "412 Precondition Failed", "PreconditionFailed", method)
        if method == "HEAD":
            return await self.send(writer, "200 OK", common, None, len(body))
        first, last, status = 0, len(body) - 1, "200 OK"
        if "range" in fields:
            begin, _, end = fields["range"].removeprefix("bytes=").partition("-")
            first, last, status = int(begin), min(int(end or last), last), "206 Partial Content"
            common["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        part = memoryview(body)[first:last + 1]
        fault = None if steady or self.random.random() >= self.faults else self.random.choice(
            ["reset", "close", "stall", "nothing", "500", "503", "lie", "slow"])
        if fault is None:
            return await self.send(writer, status, common, part)
        self.broken += 1
        if fault == "nothing":
            return False
        if fault in ("500", "503"):
            return await self.error(writer, f"{fault} Fault", "InternalError" if fault == "500" else "SlowDown", method)
        if fault == "lie":
            other = self.versions[(version + 1) % VERSIONS][first:last + 1]
            lie = self.random.choice(["tag", "range"])
            if lie == "tag":
                common["ETag"] = f'"{(version + 1) % VERSIONS:032x}"'
            else:
                common["Content-Range"] = f"bytes {first + 8}-{last + 8}/{len(body) + 8}"
                status = "206 Partial Content"
            return await self.send(writer, status, common, other)
        self.head(writer, status, common, len(part))
        cut = self.random.randrange(len(part))
        if fault == "slow":
            for at in range(0, len(part), 1 << 18):
                writer.write(part[at:at + (1 << 18)])
                await writer.drain()
                await asyncio.sleep(0.02)
            return True
        writer.write(part[:cut])
        await writer.drain()
        if fault == "stall":
            await reader.read(1)
        if fault == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    @staticmethod
    def head(writer, status, fields, length):
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\n\r\n".encode())

    async def send(self, writer, status, fields, body, length=None):
        self.head(writer, status, fields, len(body) if length is None else length)
        if body is not None:
            for at in range(0, len(body), 1 << 18):
                await self.speaking.wait()
                writer.write(body[at:at + (1 << 18)])
                await writer.drain()
        await writer.drain()
        return True

    async def error(self, writer, status, code, method):
        body = b"" if method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        return await self.send(writer, status, {"Content-Type": "application/xml"}, body)
