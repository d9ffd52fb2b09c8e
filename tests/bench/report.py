"""Figures: several runs of one measurement, their median and spread, and what the design asks for.

It computes and prints; this module must never start or measure anything.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """What the design asks for; `up` = more is better."""

    least: float
    goal: float
    up: bool = True


AIMS = {
    "cpu_ms_lifecycle.one": Aim(4.2, 3.1, up=False),
    "cpu_ms_lifecycle.five": Aim(6.0, 4.5, up=False),
    "bytes_written.one": Aim(250, 150, up=False),
    "bytes_written.five": Aim(250, 150, up=False),
    "bytes_case.one": Aim(15, 10, up=False),
    "bytes_case.five": Aim(15, 10, up=False),
    "limit_ratio": Aim(1.75, 1.3, up=False),
    "ratio_dbos": Aim(3, 5),
    "lifecycles_events_per_s.one": Aim(230, 300),
    "lifecycles_events_per_s.processes": Aim(250, 350),
    "lifecycles_http4_per_s": Aim(190, 250),
    "open_loop_not_started": Aim(0, 0, up=False),
    "overload_200": Aim(2000, 2000, up=False),
    "overload_200.refused": Aim(100, 100, up=False),
    "overload_200.recovered_s": Aim(120, 120, up=False),
    "overload_post_500": Aim(2000, 2000, up=False),
    "overload_post_500.refused": Aim(100, 100, up=False),
    "overload_post_500.recovered_s": Aim(120, 120, up=False),
    "flat_27k": Aim(0.97, 0.99),
    "flat_200k": Aim(0.95, 0.98),
    "flat_1m": Aim(0.95, 0.97),
    "hop_ratio_faststream": Aim(25, 30),
    "event_to_sms_p99_ms.25_per_s": Aim(25, 10, up=False),
    "event_to_sms_p99_ms.half": Aim(80, 50, up=False),
    "sms_within_1_s.embedded": Aim(0.95, 0.99),
    "sms_within_1_s.kafka": Aim(0.95, 0.99),
    "ready_s": Aim(2, 1, up=False),
    "rss_mb": Aim(150, 100, up=False),
    "pss_mb": Aim(280, 220, up=False),
    "catalogue_load_s": Aim(3, 3, up=False),
    "catalogue_search_p95_ms": Aim(20, 20, up=False),
}


@dataclass
class Figure:
    """One key: the value of each run, and the settings that made them. `also` holds what explains it, `wrong` what
    makes it worthless (errors, doubled effects)."""

    key: str
    runs: list[float]
    settings: dict[str, Any] = field(default_factory=dict)
    also: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def verdict(self) -> str:
        if self.wrong:
            return "WRONG"
        aim = AIMS.get(self.key)
        if aim is None:
            return ""
        for name, bound in (("goal", aim.goal), ("least", aim.least)):
            if self.median >= bound if aim.up else self.median <= bound:
                return name
        return "missed"

    def shown(self) -> dict[str, Any]:
        aim = AIMS.get(self.key)
        return {
            "median": rounded(self.median),
            "min": rounded(min(self.runs)),
            "max": rounded(max(self.runs)),
            "runs": [rounded(run) for run in self.runs],
            "least": aim.least if aim else None,
            "goal": aim.goal if aim else None,
            "verdict": self.verdict,
            "settings": self.settings,
            "also": self.also,
            "wrong": self.wrong,
        }


def rounded(value: float) -> float:
    return round(value, 4 if abs(value) < 2 else 1)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, Any]:
    """Where the figures come from; no host name."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release().split("-")[0],
    }


def table(figures: Mapping[str, Figure]) -> str:
    head = f"{'key':<38}{'median':>10}{'min':>10}{'max':>10}{'least':>9}{'goal':>8}  verdict"
    lines = [head, "-" * len(head)]
    for key, figure in figures.items():
        shown = figure.shown()
        least, goal = ("" if shown[k] is None else shown[k] for k in ("least", "goal"))
        values = f"{shown['median']:>10}{shown['min']:>10}{shown['max']:>10}"
        lines.append(f"{key:<38}{values}{least:>9}{goal:>8}  {shown['verdict']}")
        lines += [f"    {name}: {value}" for name, value in {**figure.settings, **figure.also}.items()]
        lines += [f"    WRONG: {text}" for text in figure.wrong]
    return "\n".join(lines)


def write(figures: Mapping[str, Figure], path: Path) -> None:
    """Merges into what an earlier run of other keys has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(path.read_text())["figures"] if path.exists() else {}
    kept.update({key: figure.shown() for key, figure in figures.items()})
    path.write_text(json.dumps({"machine": machine(), "figures": kept}, ensure_ascii=False, indent=2) + "\n")
