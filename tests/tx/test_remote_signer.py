from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.domain.errors import InvalidSetting, NotAuthorised, SignerUnavailable, SignerUntrusted
from keeper.domain.tx import AttemptKind, Intent
from keeper.tx.allowlist import AllowedTarget
from keeper.tx.fees import Fees
from keeper.tx.remote_signer import RemoteSigner
from tests.servers.web3signer import LIES, Web3Signer, web3signer
from tests.tx.node_double import CHAIN_ID, GWEI, PUBLIC_DEVELOPMENT_KEY, SENDER, a_payload, a_signer, targets

pytestmark = pytest.mark.faults  # a server on this machine answers as Web3Signer does

FEES = Fees(20 * GWEI, GWEI)
INTENT = Intent("one", 7, a_payload())


@pytest.fixture
def server() -> Iterator[Web3Signer]:
    with web3signer(PUBLIC_DEVELOPMENT_KEY) as running:
        yield running


@pytest.fixture
def signer(server: Web3Signer) -> Iterator[RemoteSigner]:
    with RemoteSigner(server.url, SENDER, AllowedTarget(CHAIN_ID, targets)) as opened:
        yield opened


def test_it_gives_the_bytes_that_a_key_in_this_process_would(signer: RemoteSigner) -> None:
    signer.require_account()
    assert signer.sign(INTENT, FEES) == a_signer().sign(INTENT, FEES)
    assert signer.sign(INTENT, FEES, AttemptKind.CANCEL) == a_signer().sign(INTENT, FEES, AttemptKind.CANCEL)


@pytest.mark.parametrize("lie", [*LIES, "key", "truncated", "garbage", "nested"])
def test_anything_else_than_what_was_asked_for_is_not_believed(
    server: Web3Signer, signer: RemoteSigner, lie: str
) -> None:
    server.lie = lie
    with pytest.raises(SignerUntrusted):
        signer.sign(INTENT, FEES)


def test_outside_the_allowlist_it_is_not_even_asked(server: Web3Signer, signer: RemoteSigner) -> None:
    with pytest.raises(NotAuthorised):
        signer.sign(Intent("one", 7, replace(a_payload(), calldata="0xa9059cbb")), FEES)
    assert server.asked == []


def test_a_signer_that_declines_is_quoted_without_its_address_secrets(
    server: Web3Signer, signer: RemoteSigner
) -> None:
    server.error = {"code": -32000, "message": "Signing failed: key is locked"}
    with pytest.raises(SignerUnavailable, match="key is locked") as declined:
        signer.sign(INTENT, FEES)
    shown = declined.value.message + declined.value.remedy + repr(signer)
    assert "s3cret" not in shown
    assert "t0ken" not in shown


def test_a_dropped_connection_is_tried_once_more(server: Web3Signer, signer: RemoteSigner) -> None:
    server.hang_ups = 1
    assert signer.sign(INTENT, FEES) == a_signer().sign(INTENT, FEES)
    server.hang_ups = 2
    with pytest.raises(SignerUnavailable, match="no answer"):
        signer.sign(INTENT, FEES)


def test_an_http_error_is_told(server: Web3Signer, signer: RemoteSigner) -> None:
    server.status = 503
    with pytest.raises(SignerUnavailable, match="503"):
        signer.sign(INTENT, FEES)


def test_a_signer_without_the_key_is_a_wrong_setting(server: Web3Signer) -> None:
    with (
        RemoteSigner(server.url, "0x" + "66" * 20, AllowedTarget(CHAIN_ID, targets)) as signer,
        pytest.raises(InvalidSetting, match="KEEPER_SENDER"),
    ):
        signer.require_account()
