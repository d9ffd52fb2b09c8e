"""What stands in `deploy/`: readable, complete, closed, and speaking of metrics, settings and services that exist.

It reads files only; this module must never start a container.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis import discovery
from chassis.settings import ChassisSettings
from tests.architecture.metrics_table import METRICS, exposed, metrics
from tests.architecture.sources import ROOT

DEPLOY = ROOT / "deploy"
FIVE = ("courier", "evaluation", "intake", "notify", "review")
YAML = sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")])


def documents(path: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document is not None]


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from documents(path)


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {m["metadata"]["name"]: m for m in manifests() if m["kind"] == kind}


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_every_yaml_file_is_read(path: Path) -> None:
    assert documents(path)
    assert path.read_text("utf-8").startswith("# "), "it opens with what it is for"


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.json")), ids=lambda path: path.name)
def test_every_json_file_is_read(path: Path) -> None:
    assert json.loads(path.read_text("utf-8"))


# ------------------------------------------------------------------------------------------------------------ metrics


def named(text: str) -> set[str]:
    """Metrics named in a text; recorded rules (`tongban:…`) are none."""
    return set(re.findall(r"\btongban_[a-z_]+\b", text))


def test_every_metric_in_deploy_exists() -> None:
    known = exposed(METRICS.read_text("utf-8"))
    found = {p: named(p.read_text("utf-8")) for p in DEPLOY.rglob("*") if p.suffix in (".yml", ".json", ".md")}
    assert {p.name: names - known for p, names in found.items() if names - known} == {}
    assert len(set().union(*found.values())) > 10


def test_an_unknown_metric_is_found() -> None:
    text = "sum(rate(tongban_unheard_of_total[5m])) > tongban:ratio"
    assert named(text) - exposed(METRICS.read_text("utf-8")) == {"tongban_unheard_of_total"}


def labels_known() -> dict[str, set[str]]:
    return {m["name"]: {*filter(None, m["labels"].split(", "))} for m in metrics(METRICS.read_text("utf-8"))}


def selected(text: str) -> Iterator[tuple[str, str]]:
    """(metric, label) of every selector."""
    for name, inside in re.findall(r"\b(tongban_[a-z_]+)\{([^}]*)\}", text):
        for label in re.findall(r"([a-z_]+)\s*[=!]", inside):
            yield re.sub(r"_(bucket|sum|count)$", "", name), label


def test_every_label_in_a_selector_exists() -> None:
    texts = [p.read_text("utf-8").replace('\\"', '"') for p in DEPLOY.rglob("*") if p.suffix in (".yml", ".json")]
    known = labels_known()
    assert {pair for text in texts for pair in selected(text) if pair[1] not in known[pair[0]]} == set()
    assert list(selected('rate(tongban_batch_seconds_bucket{shard="1"}[5m])')) == [("tongban_batch_seconds", "shard")]


def rules() -> list[dict[str, Any]]:
    groups = documents(DEPLOY / "prometheus" / "rules.yml")[0]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_says_how_urgent_it_is_and_what_to_do_first() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert {"summary", "action"} <= rule["annotations"].keys(), rule["alert"]


def test_every_recorded_rule_that_is_used_is_recorded() -> None:
    texts = [rule["expr"] for rule in rules()]
    texts.append((DEPLOY / "grafana" / "dashboards" / "tongban.json").read_text("utf-8"))
    wanted = {name for text in texts for name in re.findall(r"\btongban:[a-z_0-9:]+", text)}
    assert wanted <= {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.parametrize(
    "metric",
    [
        "tongban_last_progress_timestamp_seconds",
        "tongban_outbox_age_seconds",
        "tongban_dead_letters_total",
        "tongban_parked_cases",
        "tongban_refused_total",
        "tongban_topic_halted",
        "tongban_errands_open",
        "tongban_http_requests_total",
    ],
)
def test_what_an_operator_must_hear_of_has_an_alert(metric: str) -> None:
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    texts = [rule["expr"] for rule in rules() if "alert" in rule]
    texts += [expr for record, expr in recorded.items() if any(record in text for text in texts)]
    assert any(metric in text for text in texts)


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "tongban.json").read_text("utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


# ----------------------------------------------------------------------------------------------------------- services


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bTONGBAN_[A-Z_]*[A-Z]\b", text))


def test_every_setting_in_deploy_exists() -> None:
    """Services' own settings have their prefix; what they are is their business."""
    known = {ChassisSettings.variable(name) for name in ChassisSettings.model_fields}
    own = tuple(f"TONGBAN_{service.upper()}" for service in FIVE)
    files = [*YAML, DEPLOY / "Dockerfile", DEPLOY / "README.md"]
    found = {name for path in files for name in variables(path.read_text("utf-8")) if not name.startswith(own)}
    assert found - known == set()
    assert {"TONGBAN_BUS", "TONGBAN_STORE", "TONGBAN_KEYS"} <= found


def test_every_service_is_deployed_everywhere() -> None:
    compose = documents(DEPLOY / "docker-compose.yaml")[0]["services"]
    scraped = documents(DEPLOY / "prometheus" / "prometheus.yml")[0]["scrape_configs"][0]["static_configs"][0][
        "targets"
    ]
    paths = of_kind("Ingress")["tongban"]["spec"]["rules"][0]["http"]["paths"]
    for service in FIVE:
        assert compose[service]["command"] == ["serve", service]
        assert f"{service}:8080" in scraped
        assert service in of_kind("Deployment")
        assert service in of_kind("Service")
        assert service in of_kind("PodDisruptionBudget")
        assert {"path": f"/{service}", "name": service} in [
            {"path": path["path"], "name": path["backend"]["service"]["name"]} for path in paths
        ]


def test_every_manifest_is_applied() -> None:
    listed = set(documents(DEPLOY / "kubernetes" / "kustomization.yaml")[0]["resources"])
    assert listed == {p.name for p in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize("service", FIVE)
def test_a_deployment_is_closed_and_watched(service: str) -> None:
    pod = of_kind("Deployment")[service]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["args"] == ["serve", service]
    assert "memory" in container["resources"]["limits"]
    assert pod["terminationGracePeriodSeconds"] > 20, "a drain may take twenty seconds"


def test_deployments_differ_in_names_keys_and_partners_only() -> None:
    def plain(service: str) -> str:
        text = (DEPLOY / "kubernetes" / f"{service}.yaml").read_text("utf-8").partition("\n")[2]
        kept = [line for line in text.splitlines() if "tongban-keys" not in line and "tongban/partners" not in line]
        return "\n".join(kept).replace(service, "SERVICE")

    assert len({plain(service) for service in FIVE}) == 1


def secrets(service: str) -> set[str]:
    container = of_kind("Deployment")[service]["spec"]["template"]["spec"]["containers"][0]
    return {source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source}


def test_evaluation_holds_no_key_of_personal_data() -> None:
    assert "tongban-keys" not in secrets("evaluation")
    assert "tongban-keys" in secrets("notify")
    services = documents(DEPLOY / "docker-compose.yaml")[0]["services"]
    keys = {service: services[service].get("environment", {}).get("TONGBAN_KEYS") for service in FIVE}
    assert keys["evaluation"].startswith("${EVALUATION_KEYS:?"), "its own, which every replica of it is given"
    assert all("EVALUATION_KEYS" not in str(keys[service]) for service in FIVE if service != "evaluation")


def test_only_services_with_partners_reach_the_outside() -> None:
    label = "tongban/partners"
    found = {n for n, d in of_kind("Deployment").items() if label in d["spec"]["template"]["metadata"]["labels"]}
    assert found == {"notify", "courier"}
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["partners"]["spec"]["podSelector"]["matchLabels"] == {label: "true"}


def test_the_image_runs_as_nobody_in_particular() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    user = next(number for number, line in enumerate(lines) if line.startswith("USER 10001"))
    assert user < next(number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert any("--require-hashes" in line for line in lines)
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    assert all((ROOT / name).exists() for name in copied - {"services"})


def test_no_secret_stands_in_deploy() -> None:
    """Kinds of secrets are named, their values never; compose takes them from whoever starts it."""
    assert of_kind("Secret") == {}
    services = documents(DEPLOY / "docker-compose.yaml")[0]["services"]
    readme = (DEPLOY / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(tongban-[a-z]+)`([^\n]*)$", readme, re.MULTILINE))
    for name, section in discovery.sections().items():
        owner = name.partition(".")[0]
        for secret in map(section.variable, section.secrets()):
            for service in (owner,) if owner else FIVE:
                given = services[service]["environment"][secret]
                assert given is None or re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", given), f"{secret} has a default"
            holders = [name for name, row in rows.items() if f"`{secret}`" in row]
            assert holders, f"deploy/README.md does not say which object holds {secret}"
            assert not owner or holders == [f"tongban-{owner}"], secret
