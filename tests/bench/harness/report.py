"""Rows of figures: a table for people, JSON for programs."""

import dataclasses
import json
import os
import platform
import statistics
import time


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

    def ratio(self):
        if not (self.ratio_makes_sense and self.imapfs and self.beside):
            return None
        return statistics.median(self.imapfs) / statistics.median(self.beside)

    def line(self):
        ratio = self.ratio()
        beside = f"{self._figure(self.beside)} {self.beside_name}" if self.beside else "-"
        shown_ratio = "" if ratio is None else f"{ratio:.2f}"
        return f"{self.name:<58} {self._figure(self.imapfs):<24} {beside:<48} {shown_ratio}".rstrip()

    def _figure(self, samples):
        if not samples:
            return "no figure"
        text = self._number(statistics.median(samples))
        return f"{text} (p99 {self._number(percentile(samples, 99))})" if self.tail else text

    def _number(self, value):
        if self.unit != "s":
            return f"{value:.0f} {self.unit}"
        if value < 0.01:
            return f"{value * 1e6:.0f} µs"
        return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"

    def as_json(self):
        result = {"work": self.name, "beside": self.beside_name, "unit": self.unit, "ratio": self.ratio()}
        for key, samples in (("imapfs", self.imapfs), ("peer", self.beside)):
            if samples:
                result[key] = {"median": statistics.median(samples), "p99": percentile(samples, 99), "samples": samples}
        return {**result, **self.notes}


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


HEADING = f"{'work':<58} {'imapfs':<24} {'beside':<48} ratio"


def table(rows):
    return "\n".join([HEADING, "-" * len(HEADING), *(row.line() for row in rows)])


def write_json(path, rows, sizes, runs, load):
    content = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release()},
        "load": {"before": load[0], "after": load[1]},
        "sizes": dataclasses.asdict(sizes),
        "runs": runs,
        "rows": [row.as_json() for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
