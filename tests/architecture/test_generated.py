"""Generated files are current: schemas, AsyncAPI, topics, `.env.example`, the table of metrics.

Each failure names the command that renews the file; this module must never write one.
"""

from __future__ import annotations

import pytest

from chassis.run.cli import manual
from contracts.export import stale
from tests.architecture.metrics_table import BEGIN, END, GUIDE, METRICS, exposed, metrics, renewed
from tests.architecture.sources import ROOT


def test_schemas_asyncapi_and_topics_are_current() -> None:
    assert stale(ROOT) == [], "python -m contracts.export"


def test_the_manual_of_settings_is_current() -> None:
    path = ROOT / ".env.example"
    assert path.is_file(), "tongban env > .env.example"
    assert path.read_text("utf-8") == manual(), "tongban env > .env.example"


def test_the_table_of_metrics_is_current() -> None:
    assert GUIDE.is_file(), f"docs/operators.md is missing; it needs the lines {BEGIN} and {END}"
    guide = GUIDE.read_text("utf-8")
    assert renewed(guide, METRICS.read_text("utf-8")) == guide, "python -m tests.architecture.metrics_table"


def test_every_metric_has_a_comment_of_its_own() -> None:
    found = metrics(METRICS.read_text("utf-8"))
    assert len(found) > 10
    assert [m["name"] for m in found if not m["meaning"]] == []
    assert all(m["name"].startswith("tongban_") for m in found)
    assert len({m["name"] for m in found}) == len(found)


SNIPPET = """from prometheus_client import Counter, Histogram
# Cases told,
# by outcome.
TOLD = Counter("tongban_told_total", "Told", ["service", "outcome"])

BARE = Histogram("tongban_bare_seconds", "Bare")
"""


def test_comments_and_labels_are_read() -> None:
    told, bare = metrics(SNIPPET)
    assert told == {
        "name": "tongban_told_total",
        "kind": "counter",
        "labels": "service, outcome",
        "meaning": "Cases told, by outcome.",
    }
    assert bare["meaning"] == "", "a metric without a comment is noticed"
    assert exposed(SNIPPET) == {
        "tongban_told_total",
        "tongban_bare_seconds_bucket",
        "tongban_bare_seconds_sum",
        "tongban_bare_seconds_count",
    }


def test_the_table_is_written_between_its_marks_only() -> None:
    guide = f"before\n{BEGIN}\nobsolete\n{END}\nafter\n"
    new = renewed(guide, SNIPPET)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "| `tongban_told_total` | counter | service, outcome | Cases told, by outcome. |" in new
    assert "obsolete" not in new
    assert renewed(new, SNIPPET) == new
    with pytest.raises(ValueError, match="needs the lines"):
        renewed("nothing", SNIPPET)
