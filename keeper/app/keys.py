"""The keeper's account and its key, from keystore, development key or remote signer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.domain.errors import InvalidSetting
from keeper.domain.tx import Attempt, AttemptKind, Intent
from keeper.runtime.text_files import first_line
from keeper.settings.endpoints import KeySource, endpoints, key_source
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.tx.allowlist import AllowedTarget, Targets, VaultTargets
    from keeper.tx.fees import Fees
    from keeper.tx.ports import Signer

AskPassword = Callable[[], str]


@dataclass(frozen=True, slots=True)
class WithoutKey:
    """tx.ports.Signer of a look: it knows its account and signs nothing."""

    address: str

    def require_allowed(self, intent: Intent, fees: Fees) -> None:
        raise AssertionError(f"a look signs nothing: nonce {intent.nonce}, {fees}")

    def sign(self, intent: Intent, fees: Fees, kind: AttemptKind = AttemptKind.CALL) -> Attempt:
        raise AssertionError(f"a look signs nothing: {kind} at nonce {intent.nonce}, {fees}")


def acting_account(settings: Settings) -> str:
    """The account whose calls are simulated, without opening a key: the key's own, else KEEPER_SENDER. Raises
    InvalidSetting."""
    from keeper.tx.signer import from_development_key

    source = key_source(settings)
    if source.private_key is not None:
        return from_development_key(source.private_key, _allowed_target(settings, _unknown)).address
    account = stated_account(source) or settings.sender
    if account is None and source.keystore is not None:
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {source.keystore}: it does not state its address",
            remedy="Set KEEPER_SENDER to the address of its key. With --execute the key itself says it.",
        )
    if account is None:
        raise InvalidSetting(
            "no key is set, so the keeper's account is not known",
            remedy="Set KEEPER_KEYSTORE. To simulate without a key, set KEEPER_SENDER to the keeper's address.",
        )
    return account


def stated_account(source: KeySource) -> str | None:
    """Lower-case, as the keystore says it in clear text; None without keystore or where it does not. Raises
    InvalidSetting."""
    from keeper.tx.keystore import stated_address

    return stated_address(source.keystore, "KEEPER_KEYSTORE") if source.keystore is not None else None


@contextmanager
def signer(settings: Settings, ask_password: AskPassword, targets: Targets) -> Iterator[Signer]:
    """The opened key, which signs calls of these contracts. Raises InvalidSetting when there is none or its password is
    wrong; SignerUnavailable."""
    from keeper.tx.remote_signer import RemoteSigner
    from keeper.tx.signer import from_development_key, from_keystore

    source, allowed = key_source(settings), _allowed_target(settings, targets)
    if source.signer_url is not None and settings.sender is not None:
        with RemoteSigner(source.signer_url, settings.sender, allowed) as remote:
            remote.require_account()
            yield remote
    elif source.keystore is not None:
        file = source.password_file
        yield from_keystore(
            source.keystore,
            ask_password if file is None else lambda: first_line(file, "KEEPER_KEYSTORE_PASSWORD_FILE"),
            allowed,
        )
    elif source.private_key is not None:
        yield from_development_key(source.private_key, allowed)
    else:
        raise InvalidSetting(
            "no key is set, so nothing can be signed",
            remedy="Set KEEPER_KEYSTORE to an encrypted keystore (V3) file and KEEPER_KEYSTORE_PASSWORD_FILE.",
        )


def require_signer(key: Signer | None) -> None:
    """Raises SignerUnavailable or InvalidSetting where the key is remote and could not sign now."""
    from keeper.tx.remote_signer import RemoteSigner

    if isinstance(key, RemoteSigner):
        key.require_account()


def _allowed_target(settings: Settings, targets: Targets) -> AllowedTarget:
    from keeper.tx.allowlist import AllowedTarget

    return AllowedTarget(chain_id=endpoints(settings).chain_id, targets=targets)


def _unknown() -> VaultTargets:
    raise AssertionError("a key that is only asked for its address signs nothing")
