"""Players that start, seek and must not stall."""

import random
import re
import socket
import threading
import time

MIB = 1 << 20
START = 1.0
"""Seconds of film that have to be there before a player shows anything, also after a stall."""
AHEAD = 4.0
"""Seconds of film that a player holds before it reads no further."""
WATCH = 2.0
"""Seconds that are watched before the next seek."""


class Player(threading.Thread):
    """One player at one bit rate, on one film: a start at byte 0, then seeks."""

    def __init__(self, port, path, size, megabits, seeks, seed):
        super().__init__()
        self.port, self.path = port, path
        self.rate = megabits * 1e6 / 8
        chance = random.Random(seed)
        last = size - int(self.rate * (WATCH + AHEAD + START)) - MIB
        self.places = [0] + [chance.randrange(last) for _ in range(seeks)]
        self.waits = []
        self.stalls = 0
        self.played = 0.0
        self.problem = None

    def run(self):
        """Start and seek until all places were watched."""
        for place in self.places:
            try:
                self.watch(place)
            except OSError as error:
                self.problem = self.problem or f"{self.path} at {place}: {error}"

    def watch(self, place):
        """Ask for everything from `place` on, play WATCH seconds, hang up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as server:
            asked = time.monotonic()
            head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes={place}-\r\n\r\n"
            server.sendall(head.encode())
            have = self.head(server, place)
            space = bytearray(256 << 10)
            playing_since = None
            shown = 0.0  # bytes shown up to playing_since
            waited = False
            while True:
                now = time.monotonic()
                if playing_since is None:
                    if have - shown >= self.rate * START:
                        playing_since = now
                        if not waited:
                            self.waits.append(now - asked)
                        waited = True
                    position = shown
                else:
                    position = shown + (now - playing_since) * self.rate
                    if position > have:
                        self.stalls += 1
                        playing_since, shown, position = None, have, have
                    elif position >= self.rate * WATCH:
                        break
                if now - asked > 60:
                    raise OSError("did not play in a minute")
                if have - position > self.rate * AHEAD:
                    time.sleep(0.01)
                    continue
                server.settimeout(0.02 if playing_since else 30)
                try:
                    got = server.recv_into(space)
                except TimeoutError:
                    continue
                if not got:
                    raise OSError("connection ended inside the body")
                have += got
            self.played += have

    def head(self, server, place):
        """Read the answer's head; returns how many bytes of body came with it."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = server.recv(4096)
            if not more:
                raise OSError("connection ended before the answer's head")
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 206"):
            raise OSError(f"answered {head[:40]!r}")
        range_field = re.search(rb"content-range: *bytes (\d+)-", head, re.IGNORECASE)
        if not range_field or int(range_field[1]) != place:
            raise OSError("another range than asked for")
        return len(body)


def play(port, paths, size, seeks, seed):
    """Let one player for each path run, alternately at 8 and at 25 Mbit/s."""
    players = [
        Player(port, path, size, (8, 25)[number % 2], seeks, f"{seed} {number}")
        for number, path in enumerate(paths)
    ]
    for player in players:
        player.start()
    for player in players:
        player.join()
    starts = [player.waits[0] * 1e3 for player in players if player.waits]
    waits = [wait * 1e3 for player in players for wait in player.waits[1:]]
    found = {
        "start_ms": starts,
        "seek_ms": waits,
        "stalls": sum(player.stalls for player in players),
        "taken_bytes": sum(player.played for player in players),
    }
    problems = [player.problem for player in players if player.problem]
    if problems:
        found["problem"] = f"{len(problems)} players, first: {problems[0]}"
    return found
