"""Turns measurements into Markdown tables of ratios and absolute figures."""

from statistics import median

BASE = "nginx proxy tuned"
AIM = 1.0
RATIOS = {
    "CPU": "cpu_us_per_request",
    "throughput": "requests_per_s",
    "TTFB p50": "ttfb_p50_ms",
    "TTFB p99": "ttfb_p99_ms",
}
ABSOLUTE = {
    "requests": ("requests", "{:.0f}"),
    "CPU s/GiB": ("cpu_s_per_gib", "{:.3f}"),
    "CPU us/request": ("cpu_us_per_request", "{:.1f}"),
    "MiB/s": ("mib_per_s", "{:.0f}"),
    "requests/s": ("requests_per_s", "{:.0f}"),
    "TTFB p50 ms": ("ttfb_p50_ms", "{:.2f}"),
    "TTFB p99 ms": ("ttfb_p99_ms", "{:.2f}"),
    "Pss MiB": ("pss_mib", "{:.1f}"),
}
# What says nothing: the 99th percentile of a few requests, rates of bodies of two bytes.
MEANINGLESS = {
    "bulk": {"CPU us/request", "requests/s", "TTFB p99", "TTFB p99 ms"},
    "probe": {"CPU s/GiB", "MiB/s"},
}


def usable(rounds, target):
    """A target's figures by round, without the rounds that went wrong."""
    return {
        number: results[target]
        for number, results in enumerate(rounds)
        if target in results and "problem" not in results[target]
    }


def ratios(rounds, target, figure, base_name=BASE):
    """Target by base, one ratio for each round that has both."""
    mine, base = usable(rounds, target), usable(rounds, base_name)
    return [
        mine[number][figure] / base[number][figure]
        for number in mine
        if number in base and base[number][figure] > 0
    ]


def spread(values):
    """Median and range of some ratios."""
    if not values:
        return "-"
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def table(head, rows):
    """A Markdown table with aligned columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    aligned = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    ]
    aligned.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(aligned)


def workload_tables(workload, rounds, targets):
    """The ratios and the medians of the absolute figures of one workload."""
    hidden = MEANINGLESS.get(workload.name, set())
    relative = {name: figure for name, figure in RATIOS.items() if name not in hidden}
    absolute = {name: figure for name, figure in ABSOLUTE.items() if name not in hidden}
    ratio_rows, absolute_rows = [], []
    for target in targets:
        ratio_rows.append(
            [target, *(spread(ratios(rounds, target, figure)) for figure in relative.values())]
        )
        mine = usable(rounds, target).values()
        absolute_rows.append(
            [target]
            + [
                form.format(median(run[figure] for run in mine)) if mine else "-"
                for figure, form in absolute.values()
            ]
        )
    if "s3reel B" in targets:
        ratio_rows.append(
            ["s3reel B to s3reel"]
            + [spread(ratios(rounds, "s3reel B", figure, "s3reel")) for figure in relative.values()]
        )
    return "\n\n".join(
        [
            f"### {workload.title}",
            table([f"ratio to {BASE}", *relative], ratio_rows),
            table(["median", *absolute], absolute_rows),
        ]
    )


def verdict(rounds, targets):
    """How s3reel stands to the aim, from the bulk rounds."""
    lines = []
    for target in targets:
        values = ratios(rounds, target, "cpu_s_per_gib")
        if target.startswith("s3reel") and values:
            met = "met" if median(values) <= AIM else "MISSED"
            lines.append(
                f"Aim for bulk, at most {AIM} x nginx CPU: {target} {spread(values)}: {met}."
            )
    return "\n\n".join(lines)
