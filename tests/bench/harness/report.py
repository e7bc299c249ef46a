"""Rows of figures: a table for people, JSON for programs."""

import dataclasses
import json
import os
import platform
import statistics
import time
import typing


@dataclasses.dataclass
class Target:
    """What a row has to reach, in words and as a test of the filled row."""

    text: str
    is_met: typing.Callable


def ratio_at_most(limit, seconds_more=0.0):
    """imapfs <= limit times what stands beside it, plus seconds (of round trips) that only imapfs needs."""
    text = f"<= {limit:g}x" + (f" + {seconds_more * 1000:.0f} ms" if seconds_more else "")
    return Target(text, lambda row: row.median("imapfs") <= limit * row.median("beside") + seconds_more)


def at_most(value, text):
    """The median of imapfs itself, in the row's unit."""
    return Target(f"<= {text}", lambda row: row.median("imapfs") <= value)


@dataclasses.dataclass
class Row:
    name: str
    beside_name: str
    imapfs: list = dataclasses.field(default_factory=list)
    beside: list = dataclasses.field(default_factory=list)
    notes: dict = dataclasses.field(default_factory=dict)
    unit: str = "s"
    tail: bool = False  # the 99th percentile matters too
    ratio_makes_sense: bool = True
    target: typing.Optional[Target] = None

    def median(self, side):
        return statistics.median(getattr(self, side))

    def ratio(self):
        if not (self.ratio_makes_sense and self.imapfs and self.beside) or self.median("beside") == 0:
            return None
        return self.median("imapfs") / self.median("beside")

    def met(self):
        """None if the row has no target, or no figure for it."""
        if self.target is None or not self.imapfs:
            return None
        return self.target.is_met(self)

    def line(self):
        ratio = self.ratio()
        beside = f"{self._figure(self.beside)} {self.beside_name}" if self.beside else "-"
        shown_ratio = "" if ratio is None else f"{ratio:.2f}"
        target = self.target.text if self.target else ""
        met = {None: "", True: "yes", False: "NO"}[self.met()]
        return f"{self.name:<58} {self._figure(self.imapfs):<24} {beside:<44} {shown_ratio:<7} {target:<18} {met}".rstrip()

    def _figure(self, samples):
        if not samples:
            return "no figure"
        text = self._number(statistics.median(samples))
        return f"{text} (p99 {self._number(percentile(samples, 99))})" if self.tail else text

    def _number(self, value):
        if self.unit != "s":
            return f"{value:.0f} {self.unit}" if abs(value) >= 100 else f"{value:.3g} {self.unit}"
        if value < 0.01:
            return f"{value * 1e6:.0f} µs"
        return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"

    def as_json(self):
        result = {"work": self.name, "beside": self.beside_name, "unit": self.unit, "ratio": self.ratio(),
                  "target": self.target.text if self.target else None, "met": self.met()}
        for key, samples in (("imapfs", self.imapfs), ("peer", self.beside)):
            if samples:
                result[key] = {"median": statistics.median(samples), "p99": percentile(samples, 99), "samples": samples}
        return {**result, **self.notes}


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


HEADING = f"{'work':<58} {'imapfs':<24} {'beside':<44} {'ratio':<7} {'target':<18} met"


def table(rows):
    return "\n".join([HEADING, "-" * len(HEADING), *(row.line() for row in rows)])


def write_json(path, rows, sizes, runs, load, failures, seconds):
    """`failures`: what went wrong, in words; `seconds`: how long each group took."""
    content = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release()},
        "load": {"before": load[0], "after": load[1]},
        "sizes": dataclasses.asdict(sizes),
        "runs": runs,
        "rows": [row.as_json() for row in rows],
        "failures": failures,
        "seconds_of_groups": seconds,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
