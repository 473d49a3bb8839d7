"""Reads environment, ``.env``, deployment file and ``keeper.toml`` into ``Settings``, or raises one error for all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, get_origin

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from keeper.domain.errors import InvalidSetting
from keeper.runtime.text_files import json_object, text_of, toml_table
from keeper.settings.fields import field_at, flattened, variable
from keeper.settings.mistakes import listed, misspelt, mistakes
from keeper.settings.schema import STRATEGY, Settings
from keeper.settings.varied_assets import BETWEEN_ENTRIES, changes_assets, varied

ENV_FILE = Path(".env")
ENV_FILE_VARIABLE = "KEEPER_ENV_FILE"
"""Environment only: the file that is read instead of ./.env."""
SYSTEM_ENV_FILE = Path("/etc/keeper/keeper.env")
"""Read where there is no ./.env: the file of the systemd unit, so that a shell acts on the same keeper."""
PATHS = (
    "fallback_journal",
    "pause_file",
    "lock_directory",
    "deployment",
    "config",
    "keystore",
    "keystore_password_file",
    "address_book",
)
DEFAULT_CONFIG = Path("keeper.toml")
DEPLOYMENT_FIELDS = (
    "rpc_url",
    "chain_id",
    "vault",
    "quoter",
    "multicall",
    "native_feed",
    "deribit_url",
    "private_key",
    "roles_modifier",
    "role",
)
EXCHANGE_FIELDS = ("coinbase_url", "kraken_url", "binance_url")
REMEDY = "Correct each one where it is set. docs/settings.md has every setting with its range. Nothing was started."


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source, and its name on the screen."""

    origin: str
    values: Mapping[str, Any]


def load() -> Settings:
    """Reads and checks all settings. Raises InvalidSetting naming every wrong value with its remedy."""
    sources = layers()
    wrong = list(misspelt({*os.environ, *_dotenv_names()}))
    try:
        settings = Settings(**_merged(sources))
    except ValidationError as error:
        wrong += mistakes(error, origins(sources))
    if wrong:
        raise InvalidSetting(listed(wrong), remedy=REMEDY) from None
    return settings


def load_strategy(file: Path | None) -> Settings:
    """The strategy of ``file``, else of ./keeper.toml, else the defaults. Raises InvalidSetting.

    The environment is not read, so that research gives the same result everywhere and never sees an endpoint or a key.
    """
    return load_variant(file, {})


def load_variant(file: Path | None, changes: Mapping[str, Any]) -> Settings:
    """``load_strategy`` with changes by dotted name ("size.target_volatility", "assets.WBTC.max_weight"). Raises
    InvalidSetting."""
    config = file if file is not None else (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    of_assets = {name: value for name, value in changes.items() if changes_assets(name)}
    others = [(name, value) for name, value in changes.items() if name not in of_assets]
    sources = tuple(Layer("--set", _nested(name, value)) for name, value in reversed(others))
    if config is not None:
        sources += (Layer(str(config), _strategy_values(config, "--strategy")),)
    try:
        values = _merged(sources)
        if of_assets:
            values["assets"] = varied(_asset_tables(values), of_assets)
        return Settings(**values)
    except ValidationError as error:
        raise InvalidSetting(listed(list(mistakes(error, origins(sources)))), remedy=REMEDY) from None


def _asset_tables(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As the strategy has them; the defaults where it has none."""
    return [asset.model_dump(exclude_unset=True) for asset in Settings(**values).assets]


def layers() -> tuple[Layer, ...]:
    """The values of every source, the strongest first: environment, ``.env``, deployment file, strategy file."""
    environment = Layer("environment", _read(EnvSettingsSource(Settings)))
    file = env_file()
    _dotenv_text()
    dotenv = Layer(
        str(file), _read(DotEnvSettingsSource(Settings, env_file=file, env_file_encoding="utf-8-sig"))
    )
    if file != ENV_FILE:
        _require_whole_paths(dotenv)
    sources = [environment, dotenv]
    deployment = _path("deployment", environment, dotenv)
    if deployment is not None:
        sources.append(Layer(str(deployment), _deployment_values(deployment)))
    config = _path("config", environment, dotenv)
    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    if config is not None:
        sources.append(Layer(str(config), _strategy_values(config, variable("config"))))
    return tuple(sources)


def env_file() -> Path:
    """The file beside the environment: KEEPER_ENV_FILE, else ./.env, else the systemd unit's. Raises InvalidSetting."""
    named = os.environ.get(ENV_FILE_VARIABLE)
    if named:
        path = _expanded(Path(named), ENV_FILE_VARIABLE)
        if not path.is_file():
            raise InvalidSetting(
                f"{ENV_FILE_VARIABLE} = {named}: there is no such file",
                remedy="Correct the path, or unset it.",
            )
        return path
    return SYSTEM_ENV_FILE if not ENV_FILE.exists() and SYSTEM_ENV_FILE.exists() else ENV_FILE


def _require_whole_paths(layer: Layer) -> None:
    """Such a file is read from any directory, so a relative path in it would name another file in each."""
    relative = [
        name for name in PATHS if not Path(str(layer.values.get(name, "/"))).expanduser().is_absolute()
    ]
    url = str(layer.values.get("journal_url", ""))
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        relative.append("journal_url")
    if relative:
        raise InvalidSetting(
            f"{layer.origin}: {', '.join(map(variable, relative))} is a relative path",
            remedy="Write whole paths into a file that is read from every directory (sqlite:////var/lib/…).",
        )


def origins(sources: tuple[Layer, ...]) -> dict[str, str]:
    """Origin by dotted field, the strongest source's. A field that is not in it has its default."""
    return {name: layer.origin for layer in reversed(sources) for name, _ in flattened(layer.values)}


def overridden() -> tuple[str, ...]:
    """The variables whose value in the file beside the environment does not count, because the environment has another.
    Raises InvalidSetting."""
    environment, file, *_ = (dict(flattened(layer.values)) for layer in layers())
    return tuple(variable(name) for name, value in file.items() if environment.get(name, value) != value)


def deployed_symbols(settings: Settings) -> tuple[str, ...] | None:
    """The tokens of the deployment file. None without a file, or if it lists none."""
    if settings.deployment is None:
        return None
    tokens = _deployment(_expanded(settings.deployment, variable("deployment"))).get("tokens")
    return tuple(tokens) if isinstance(tokens, dict) and tokens else None


def _nested(name: str, value: Any) -> dict[str, Any]:
    *tables, field = name.split(".")
    if not tables or tables[0] not in STRATEGY:
        raise InvalidSetting(
            f"--set {name}: not a setting of the strategy",
            remedy=f"Name it by table and field, as in keeper.toml. The tables are {', '.join(STRATEGY[1:])}.",
        )
    content: dict[str, Any] = {field: _entries(name, value)}
    for table in reversed(tables):
        content = {table: content}
    return content


def _entries(name: str, value: Any) -> Any:
    """The entries of a setting that is a list, written "5+21"."""
    setting = field_at(tuple(name.split(".")))
    if setting is None or get_origin(setting.annotation) is not tuple or isinstance(value, list | tuple):
        return value
    return str(value).split(BETWEEN_ENTRIES)


def _dotenv_names() -> frozenset[str]:
    return frozenset(dotenv_values(stream=StringIO(_dotenv_text())))


def _dotenv_text() -> str:
    """Of the file beside the environment, empty if there is none. Read before the settings' own parser, which stops at
    any other encoding."""
    file = env_file()
    return text_of(file, str(file)) if file.is_file() else ""


def _read(source: EnvSettingsSource) -> dict[str, Any]:
    try:
        return source()
    except SettingsError as error:
        raise InvalidSetting(
            f"{error}: a table or a list in the environment must be JSON",
            remedy="Set single values, as in KEEPER_SIZE__TARGET_VOLATILITY=0.6, or use keeper.toml.",
        ) from None


def _merged(sources: tuple[Layer, ...]) -> dict[str, Any]:
    """The values of all sources, value by value from the strongest."""
    values: dict[str, Any] = {}
    for layer in reversed(sources):
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


def _path(field: str, *sources: Layer) -> Path | None:
    value = next((layer.values[field] for layer in sources if field in layer.values), None)
    return None if value is None else _expanded(Path(str(value)), variable(field))


def _expanded(path: Path, name: str) -> Path:
    """With the home directory in place of ~. Raises InvalidSetting if there is none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InvalidSetting(f"{name} = {path}: {error}", remedy="Name the whole path.") from None


def _deployment_values(path: Path) -> dict[str, Any]:
    """The endpoints of a devnet's deployment file. Its other entries are no settings."""
    content = _deployment(path)
    values = {field: content[field] for field in DEPLOYMENT_FIELDS if content.get(field) is not None}
    exchanges = content.get("exchange_url")
    return values | (dict.fromkeys(EXCHANGE_FIELDS, exchanges) if exchanges is not None else {})


def _deployment(path: Path) -> dict[str, Any]:
    return json_object(path, variable("deployment"))


def _strategy_values(path: Path, name: str) -> dict[str, Any]:
    content = toml_table(path, name)
    misplaced = [key for key in content if key in Settings.model_fields and key not in STRATEGY]
    if misplaced:
        raise InvalidSetting(
            f"{path}: {', '.join(misplaced)} does not belong into the strategy file",
            remedy=f"Set {', '.join(map(variable, misplaced))} in the environment or in .env.",
        )
    return content
