"""The doctor compares what a transaction may offer for gas with what the clients pass on by default."""

from __future__ import annotations

import pytest

from keeper.doctor.capabilities import NodeCapabilities, fee_diagnosis
from keeper.doctor.diagnosis import LineStatus
from keeper.domain.units import WAD

ANVIL, GETH = "anvil/v1.7.1", "Geth/v1.15.0-stable/linux-amd64/go1.23"


def node(client: str) -> NodeCapabilities:
    return NodeCapabilities("https://node", client, refusals={})


@pytest.mark.parametrize(
    "client", [GETH, "erigon/3.0.0/linux", "besu/v25.1.0/linux", "reth/v1.6.0-abc/x86_64", "op-reth/v1.1.4"]
)
def test_an_offer_above_what_a_client_passes_on_by_default_is_a_warning(client: str) -> None:
    line = fee_diagnosis([node(ANVIL), node(client)], most_wei=2 * WAD)
    assert line.status is LineStatus.WARNING
    assert "at most 2 ETH for gas" in line.detail
    assert "node 2 passes on 1 ETH by default" in line.detail
    assert "plan.max_fee_eth" in line.remedy


@pytest.mark.parametrize(("client", "most_eth"), [(GETH, 1), (ANVIL, 5), ("Nethermind/v1.30.0", 5)])
def test_an_offer_that_every_client_passes_on_is_said_and_no_warning(client: str, most_eth: int) -> None:
    line = fee_diagnosis([node(client)], most_wei=most_eth * WAD)
    assert (line.status, line.remedy) == (LineStatus.OK, "")
    assert f"at most {most_eth} ETH for gas" in line.detail


def test_the_matrix_says_what_a_client_passes_on() -> None:
    assert node(GETH).fee_cap == "1 ETH by default"
    assert node(ANVIL).fee_cap == "none known of this client"
