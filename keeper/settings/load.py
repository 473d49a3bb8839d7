"""Environment, ``.env``, deployment file and ``keeper.toml`` become ``Settings``, or one error."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from keeper.domain.errors import InvalidSetting
from keeper.settings.fields import flattened, variable
from keeper.settings.mistakes import listed, misspelt, mistakes
from keeper.settings.schema import STRATEGY, Settings

ENV_FILE = Path(".env")
DEFAULT_CONFIG = Path("keeper.toml")
DEPLOYMENT_FIELDS = (
    "rpc_url",
    "chain_id",
    "vault",
    "quoter",
    "multicall",
    "redemption_queue",
    "deribit_url",
    "private_key",
)
EXCHANGE_FIELDS = ("coinbase_url", "kraken_url", "binance_url")
REMEDY = "docs/settings.md lists every setting with its range and meaning. Nothing was started."


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says, and how to call that source on screen."""

    origin: str
    values: Mapping[str, Any]


def load() -> Settings:
    """Read and check all settings. Raises InvalidSetting naming field, value and remedy of all wrong."""
    found = layers()
    wrong = list(misspelt({*os.environ, *_dotenv_names()}))
    try:
        settings = Settings(**_merged(found))
    except ValidationError as error:
        wrong += mistakes(error, origins(found))
    if wrong:
        raise InvalidSetting(listed(wrong), remedy=REMEDY) from None
    return settings


def load_strategy(file: Path | None) -> Settings:
    """The strategy of ``file``, else of ./keeper.toml, else the defaults: nothing from the environment, so that
    research gives the same result everywhere and never meets an endpoint or a key. Raises InvalidSetting."""
    return load_variant(file, {})


def load_variant(file: Path | None, changes: Mapping[str, Any]) -> Settings:
    """``load_strategy`` with some values changed, by dotted name ("size.target_volatility"). Raises InvalidSetting."""
    chosen = file if file is not None else (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    found = [Layer(str(chosen), _strategy_values(chosen, "--strategy"))] if chosen is not None else []
    for name, value in changes.items():
        found.insert(0, Layer("--set", _nested(name, value)))
    layered = tuple(found)
    try:
        return Settings(**_merged(layered))
    except ValidationError as error:
        raise InvalidSetting(listed(list(mistakes(error, origins(layered)))), remedy=REMEDY) from None


def _nested(name: str, value: Any) -> dict[str, Any]:
    *tables, field = name.split(".")
    if not tables or tables[0] not in STRATEGY:
        raise InvalidSetting(
            f"set: {name} is not a setting of the strategy",
            remedy=f"Name it as keeper.toml does, table and field: {', '.join(STRATEGY[1:])}.",
        )
    content: Any = {field: value}
    for table in reversed(tables):
        content = {table: content}
    return dict(content)


def layers() -> tuple[Layer, ...]:
    """Every source's values, the strongest first: environment, ``.env``, deployment file, strategy file."""
    environment = Layer("environment", _read(EnvSettingsSource(Settings)))
    dotenv = Layer(str(ENV_FILE), _read(DotEnvSettingsSource(Settings, env_file=ENV_FILE)))
    deployment = _path("deployment", environment, dotenv)
    config = _path("config", environment, dotenv)
    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    found = [environment, dotenv]
    if deployment is not None:
        found.append(Layer(str(deployment), _deployment_values(deployment)))
    if config is not None:
        found.append(Layer(str(config), _strategy_values(config, variable("config"))))
    return tuple(found)


def origins(found: tuple[Layer, ...]) -> dict[str, str]:
    """Dotted field to the source that decides it; fields that no source names have their default."""
    return {name: layer.origin for layer in reversed(found) for name, _ in flattened(layer.values)}


def _dotenv_names() -> frozenset[str]:
    return frozenset(dotenv_values(ENV_FILE)) if ENV_FILE.is_file() else frozenset()


def _read(source: EnvSettingsSource) -> dict[str, Any]:
    try:
        return source()
    except SettingsError as error:
        raise InvalidSetting(
            f"{error}: a table or list given in the environment must be JSON",
            remedy="Set single values, as in KEEPER_SIZE__TARGET_VOLATILITY=0.6, or use keeper.toml.",
        ) from None


def _merged(found: tuple[Layer, ...]) -> dict[str, Any]:
    """All layers in one; the earlier layer wins, value by value."""
    values: dict[str, Any] = {}
    for layer in reversed(found):
        values = _over(values, layer.values)
    return values


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            result[key] = _over(under, value)
        else:
            result[key] = value
    return result


def _path(field: str, *found: Layer) -> Path | None:
    value = next((layer.values[field] for layer in found if field in layer.values), None)
    return None if value is None else Path(str(value)).expanduser()


def deployed_symbols(settings: Settings) -> tuple[str, ...] | None:
    """The tokens that the deployment file lists; None without a file, or when it lists none."""
    if settings.deployment is None:
        return None
    tokens = _deployment(settings.deployment.expanduser()).get("tokens")
    return tuple(tokens) if isinstance(tokens, dict) and tokens else None


def _deployment_values(path: Path) -> dict[str, Any]:
    """What a devnet's deployment file says about endpoints; its other entries are not ours."""
    content = _deployment(path)
    found = {field: content[field] for field in DEPLOYMENT_FIELDS if content.get(field) is not None}
    exchanges = content.get("exchange_url")
    return found | (dict.fromkeys(EXCHANGE_FIELDS, exchanges) if exchanges is not None else {})


def _deployment(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path, variable("deployment")))
    except json.JSONDecodeError as error:
        content = error
    if not isinstance(content, dict):
        raise InvalidSetting(
            f"{variable('deployment')} = {path}: not a JSON object",
            remedy="Point it to the file that `keeper devnet` wrote, or unset it.",
        )
    return content


def _strategy_values(path: Path, named: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(_text(path, named))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(
            f"{named} = {path}: not TOML ({error})",
            remedy="Mend the line it names. Nothing was started.",
        ) from None
    elsewhere = [key for key in content if key in Settings.model_fields and key not in STRATEGY]
    if elsewhere:
        raise InvalidSetting(
            f"{path}: {', '.join(elsewhere)} does not belong into the strategy file",
            remedy=f"Set {', '.join(map(variable, elsewhere))} in the environment or in .env.",
        )
    return content


def _text(path: Path, named: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InvalidSetting(
            f"{named} = {path}: cannot be read ({reason})",
            remedy=f"Set {named} to a readable file, or unset it.",
        ) from None
