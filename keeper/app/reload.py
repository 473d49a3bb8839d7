"""New settings for a daemon that runs: judged as at a start, and refused without ending it."""

from __future__ import annotations

from keeper.app.operator import sealed
from keeper.app.seal import require_unchanged
from keeper.domain.errors import InvalidSetting, KeeperError
from keeper.domain.record import Mode
from keeper.runtime.logs import logger
from keeper.settings.endpoints import endpoints, key_source
from keeper.settings.load import load
from keeper.settings.policy import policy
from keeper.settings.schema import Settings


def new_settings(mode: Mode) -> Settings | None:
    """The settings as they are now in the files, None where they cannot be used; the log says why."""
    try:
        settings = load()
        policy(settings)
        endpoints(settings)
        if mode.sends:
            _require_usable_key(settings)
            require_unchanged(*sealed(settings))
    except KeeperError as error:
        logger().error(
            "settings_refused",
            error=error.name,
            reason=error.message,
            remedy=f"{error.remedy} The old ones go on.",
        )
        return None
    return settings


def _require_usable_key(settings: Settings) -> None:
    source = key_source(settings)
    if source.keystore is not None and source.password_file is None:
        raise InvalidSetting(
            "KEEPER_KEYSTORE_PASSWORD_FILE is not set, and nobody can type the password of a keeper that runs",
            remedy="Set it, or restart the keeper.",
        )
