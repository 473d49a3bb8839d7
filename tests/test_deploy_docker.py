"""The files for Docker name what exists and give the keeper no more than it needs. No container is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from keeper.settings.fields import setting_fields, variable
from keeper.settings.load import ENV_FILE_VARIABLE

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
IMAGES = (FOLDER / "images.env.example").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
WRITTEN_BY_THE_OPERATOR = {"./keeper.toml"}
PROMTOOL = shutil.which("promtool")


def test_no_image_is_named_without_a_digest() -> None:
    named = [SERVICES[name]["image"] for name in SERVICES if name != "keeper"]
    named.append(SERVICES["keeper"]["build"]["args"]["PYTHON_IMAGE"])
    variables = [re.fullmatch(r"\$\{(\w+_IMAGE):\?.+\}", image) for image in named]
    assert all(variables), named
    asked = {match.group(1) for match in variables if match}
    assert asked == set(re.findall(r"^(\w+)=\S+@sha256:DIGEST$", IMAGES, flags=re.MULTILINE))
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    assert re.findall(r"^ARG (.+)$", DOCKERFILE, flags=re.MULTILINE) == ["PYTHON_IMAGE"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"]["core"] == 0
    assert not {"privileged", "network_mode", "pid", "devices"} & set(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_after_a_failure_of_any_length(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_keeper_is_not_root() -> None:
    assert re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.MULTILINE) == [SERVICES["keeper"]["user"]]
    assert SERVICES["keeper"]["user"].split(":")[0] != "0"


def test_only_the_keeper_reaches_the_outside_and_only_grafana_is_reached() -> None:
    outside = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}
    reaching = {name: set(service["networks"]) & outside for name, service in SERVICES.items()}
    assert reaching == {"keeper": {"outside"}, "postgres": set(), "prometheus": set(), "grafana": {"screens"}}
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["grafana"]


def test_secrets_are_files_that_the_page_lists_and_no_variable_has_one() -> None:
    declared = COMPOSE["secrets"]
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(declared)
    assert all(entry == {"file": f"./secrets/{name}"} for name, entry in declared.items())
    assert all(f"`{name}`" in PAGE for name in declared)
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|KEY|SECRET|TOKEN|ENV_FILE", key):
                assert value.removeprefix("/run/secrets/") in service["secrets"], key
    assert "./secrets" not in DOCKERFILE


def test_every_file_that_is_mounted_or_copied_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            place = volume.split(":")[0]
            if place.startswith(".") and place not in WRITTEN_BY_THE_OPERATOR:
                assert (FOLDER / place).is_file(), place
                assert volume.endswith(":ro")
            elif not place.startswith("."):
                assert place in COMPOSE["volumes"]
    assert (
        FOLDER / SERVICES["keeper"]["build"]["context"] / SERVICES["keeper"]["build"]["dockerfile"]
    ).is_file()
    assert re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE) == ["dist/ /wheels/"]


def test_the_image_gets_the_wheel_and_its_lock_and_nothing_else() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in ignored if line and not line.startswith("#")] == [
        "*",
        "!dist/*.whl",
        "!dist/requirements-runtime.lock",
    ]
    assert "--require-hashes" in DOCKERFILE
    assert "--no-index /wheels/riskparity_keeper-*.whl" in DOCKERFILE


def test_the_settings_that_are_named_exist() -> None:
    known = {variable(name) for name, _ in setting_fields() if "[]" not in name} | {ENV_FILE_VARIABLE}
    named = set(re.findall(r"\bKEEPER_\w+", (FOLDER / "compose.yml").read_text(encoding="utf-8") + PAGE))
    assert named
    assert named <= known


def test_a_running_cycle_may_end_before_the_container_is_killed() -> None:
    assert re.search(r"^STOPSIGNAL SIGINT$", DOCKERFILE, flags=re.MULTILINE)
    assert SERVICES["keeper"]["stop_grace_period"] == "12m"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: install Debian's package prometheus")
def test_promtool_agrees_with_the_configuration() -> None:
    assert PROMTOOL is not None
    command = (PROMTOOL, "check", "config", "--syntax-only", "prometheus.yml")
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
