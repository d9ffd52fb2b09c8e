"""What several processes say of themselves, made into one: descriptions of routes, and metrics.

Documents and texts in, one out; this module must never fetch anything or know a service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families


def descriptions(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One OpenAPI document of several. What two of them have, such as health and what is refused, they have alike.
    Raises ValueError where they do not."""
    merged: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            if key == "tags":
                known = merged.setdefault("tags", [])
                known += [tag for tag in value if tag not in known]
                known.sort(key=lambda tag: tag["name"])
            elif isinstance(value, dict):
                _joined(merged.setdefault(key, {}), value, 2 if key == "components" else 1)
            else:
                _joined(merged, {key: value}, 1)
    return merged


def _joined(into: dict[str, Any], more: Mapping[str, Any], levels: int) -> None:
    for name, value in more.items():
        if levels > 1:
            _joined(into.setdefault(name, {}), value, levels - 1)
        elif into.setdefault(name, value) != value:
            raise ValueError(f"two processes differ about {name}")


METRICS: Final = CONTENT_TYPE_LATEST
"""The media type of what `metrics` writes."""


class Merged:
    """The metric families of several processes as one registry; every series says of which `process` it is."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process, text in self.texts.items():
            for found in text_string_to_metric_families(text):
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                for sample in found.samples:
                    family.samples.append(sample._replace(labels={**sample.labels, "process": process}))
        yield from families.values()


def metrics(texts: Mapping[str, str]) -> bytes:
    """One text in the format of Prometheus, of those of several processes by name."""
    return generate_latest(Merged(texts))
