"""The bars, and whether they are met."""

import random
from dataclasses import dataclass
from statistics import median

from peers import GATEWAY, OURS, SLICE, VARNISH
from report import table, usable

WIDE = 0.15
"""An interval that holds the bar and is wider than this part of it says nothing."""

FEWEST = 3
"""Rounds without which nothing is said."""


@dataclass(frozen=True)
class Bar:
    """A figure of ours, alone or as a ratio to a peer's, and the most that it may be."""

    work: str
    figure: str
    title: str
    most: float
    to: str = ""


WARM = [
    Bar("mib", "cpu_us_per_request", "warm 1 MiB ranges: CPU/request", 0.65, SLICE),
    Bar("mib", "cpu_us_per_request", "warm 1 MiB ranges: CPU/request", 1.0, VARNISH),
    Bar("kib64", "cpu_us_per_request", "warm 64 KiB ranges: CPU/request", 0.70, SLICE),
    Bar("kib64", "cpu_us_per_request", "warm 64 KiB ranges: CPU/request", 0.80, VARNISH),
    Bar("probe", "cpu_us_per_request", "warm bytes=0-1: CPU/request", 0.55, SLICE),
    Bar("probe", "cpu_us_per_request", "warm bytes=0-1: CPU/request", 0.65, VARNISH),
    Bar("bulk", "cpu_s_per_gib", "warm 1 GiB: CPU/GiB", 0.90, SLICE),
    Bar("bulk", "cpu_s_per_gib", "warm 1 GiB: CPU/GiB", 1.0, VARNISH),
]
"""Of what is in a cache, on whichever tiers."""

BARS = [
    Bar("stampede", "origin_bytes", "stampede: S3 bytes / object", 1.0),
    Bar("stampede", "origin_requests", "stampede: S3 requests", 10),
    Bar("stampede", "first_body_p50_ms", "stampede: median first byte", 1.5, VARNISH),
    Bar("stampede", "finish_s", "stampede: all done", 1.2, VARNISH),
    Bar("fill", "cpu_s_per_gib", "cold fill, new memory: CPU/GiB", 0.70, SLICE),
    Bar("fill", "cpu_s_per_gib", "cold fill, new memory: CPU/GiB", 1.0, VARNISH),
    Bar("refill", "cpu_s_per_gib", "cold fill, full cache: CPU/GiB", 0.70, SLICE),
    Bar("refill", "cpu_s_per_gib", "cold fill, full cache: CPU/GiB", 1.0, VARNISH),
    *WARM,
    *(
        Bar(f"memory-{bar.work}", bar.figure, f"memory alone, {bar.title}", bar.most, bar.to)
        for bar in WARM
    ),
    Bar("disk-mib", "cpu_us_per_request", "disk, 1 MiB ranges: CPU/request", 0.9, SLICE),
    Bar("slow", "kib_per_viewer", "2 000 slow viewers: KiB each", 64),
    Bar("slow", "errors", "2 000 slow viewers: errors", 0),
    Bar("distant", "start_p50_ms", "distant S3: start", 1.0, SLICE),
    Bar("distant", "start_p50_ms", "distant S3: start", 1.0, VARNISH),
    Bar("distant", "seek_p50_ms", "distant S3: seek p50", 1.0, SLICE),
    Bar("distant", "seek_p50_ms", "distant S3: seek p50", 1.0, VARNISH),
    Bar("distant", "seek_p99_ms", "distant S3: seek p99", 1.0, SLICE),
    Bar("distant", "seek_p99_ms", "distant S3: seek p99", 1.0, VARNISH),
    Bar("distant", "stalls", "distant S3: stalls", 0),
]


def values(rounds, bar):
    """Our figure in each round, or its ratio to the peer's."""
    mine = usable(rounds, OURS)
    if not bar.to:
        return [figures[bar.figure] for figures in mine.values()]
    return quotients(rounds, OURS, bar.to, bar.figure)


def quotients(rounds, name, to, figure):
    """One ratio for each round in which both peers were measured."""
    mine, base = usable(rounds, name), usable(rounds, to)
    return [
        mine[number][figure] / base[number][figure]
        for number in mine
        if number in base and base[number].get(figure, 0) > 0
    ]


def interval(found):
    """95 % of the medians of resampled rounds; the range where there are few."""
    if len(found) < 6:
        return min(found), max(found)
    chance = random.Random(1)
    medians = sorted(median(chance.choices(found, k=len(found))) for _ in range(2000))
    return medians[49], medians[1950]


def verdict(found, most):
    """What some ratios say of a bar."""
    if len(found) < FEWEST:
        return "too few rounds"
    low, high = interval(found)
    if high <= most * 1.0005:
        return "met"
    if low > most:
        return "NOT met"
    if most and (high - low) / most > WIDE:
        return "inconclusive"
    return "met, just" if median(found) <= most else "NOT met, just"


def spread(found):
    """Median and interval."""
    if not found:
        return "-"
    low, high = interval(found)
    return f"{median(found):.2f} ({low:.2f}..{high:.2f})"


def bar_table(results):
    """All bars whose workloads ran."""
    rows = []
    for bar in BARS:
        found = values(results.get(bar.work, []), bar)
        if found:
            title = bar.title + (f" / {bar.to}" if bar.to else "")
            most = f"<= {bar.most:g}"
            rows.append([title, spread(found), most, verdict(found, bar.most), str(len(found))])
    return table(["work", "median (interval)", "bar", "", "rounds"], rows)


def work_table(work, rounds, names):
    """Medians of all figures, and ratios of the first to the workload's base."""
    rows = []
    for name in names:
        mine = usable(rounds, name).values()
        rows.append(
            [name, str(len(mine))]
            + [
                form.format(median(run[figure] for run in mine)) if mine else "-"
                for figure, _, form in work.figures
            ]
        )
    head = ["median", "rounds", *(title for _, title, _ in work.figures)]
    ratio_rows = [
        [
            f"{name} / {to}",
            *(spread(quotients(rounds, name, to, figure)) for figure, _, _ in work.figures),
        ]
        for name, to in ((OURS, SLICE), (OURS, VARNISH), (OURS, GATEWAY), (VARNISH, SLICE))
        if name in names and to in names
    ]
    ratio_head = ["ratio", *(title for _, title, _ in work.figures)]
    parts = [f"### {work.title}", table(head, rows), table(ratio_head, ratio_rows)]
    if any("seek_ms" in figures for figures in usable(rounds, OURS).values()):
        parts.append(
            table(
                ["all rounds together", "seeks", "p50 ms", "p99 ms", "worst ms"],
                pooled(rounds, names),
            )
        )
    return "\n\n".join(parts)


def pooled(rounds, names):
    """The seeks of all rounds together, as one round has too few for a 99th percentile."""
    rows = []
    for name in names:
        waits = sorted(sum((run["seek_ms"] for run in usable(rounds, name).values()), []))
        if waits:
            chosen = (waits[len(waits) // 2], waits[len(waits) * 99 // 100], waits[-1])
            rows.append([name, str(len(waits)), *(f"{wait:.0f}" for wait in chosen)])
    return rows
