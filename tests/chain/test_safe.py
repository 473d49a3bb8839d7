"""The keeper's key behind a Safe 1.4.1 and a Zodiac Roles modifier: the real contracts, by the keeper's own commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractCustomError
from web3.types import TxParams

from keeper.chain.chain_reader import ChainReader
from keeper.chain.powers import Powers, read_powers
from keeper.chain.reverts import explain
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.safe import CALL, ROLE, behind_safe
from keeper.devnet.transactions import contract_at, mined, send
from keeper.devnet.vault_reading import read_vault
from keeper.doctor.diagnosis import Diagnosis, LineStatus
from keeper.doctor.examine import examine
from keeper.domain.errors import NodeUntrusted
from keeper.domain.fire_drill import DrillTrial
from keeper.domain.plan import StepKind, VaultCall
from keeper.domain.roles_modifier import EXECUTED, RolesModifier
from tests.chain.keeper_command import Run
from tests.chain.node_scene import CHAIN_ID, MULTICALL, a_plan, a_step, levering, node_of
from tests.chain.restored import restored
from tests.chain.test_simulate import without_simulate
from tests.chain.vault_scene import Scene, scene_on


@pytest.fixture
def chain(fork: LocalChain) -> Iterator[LocalChain]:
    with restored(fork.deployment.rpc_url):
        yield behind_safe(fork)


@pytest.fixture
def roles(chain: LocalChain) -> Contract:
    return contract_at(chain.w3, "RolesV2", chain.deployment.contracts["roles_modifier"])


def modifier_of(chain: LocalChain) -> RolesModifier:
    return RolesModifier(chain.deployment.contracts["roles_modifier"], ROLE)


def as_safe(chain: LocalChain, call: ContractFunction) -> None:
    """What the Safe's owners have signed; the node plays the Safe."""
    safe = chain.w3.to_checksum_address(chain.deployment.contracts["safe"])
    scene_on(chain).impersonated(safe)
    send(chain.w3, call, safe)


def refusal(roles: Contract, asked: list[Any], key: str) -> str:
    with pytest.raises(ContractCustomError) as caught:
        roles.functions.execTransactionWithRole(*asked).call({"from": to_checksum_address(key)})
    return explain(bytes.fromhex(str(caught.value.data)[2:]))


def test_a_whole_cycle_goes_through_safe_and_roles_and_nothing_else_does(
    keeper: Run, chain: LocalChain, roles: Contract
) -> None:
    first = keeper("rebalance", "--execute", "--json")
    target = first.json()
    assert (first.code, target["action"]) == (0, "REBALANCE")
    assert read_vault(chain).leverage == pytest.approx(target["target_leverage"], rel=0.02)
    sent = chain.w3.eth.get_transaction(target["receipt"]["tx_hash"])
    key = chain.deployment.accounts["keeper"]
    assert (sent["from"], sent["to"]) == (key, roles.address)
    again = keeper("rebalance", "--execute", "--json")
    assert (again.code, again.json()["action"]) == (0, "HOLD")

    lowered = keeper("deleverage", "--execute", "--json")
    assert lowered.code == 0, lowered
    assert read_vault(chain).leverage < 1.05

    to_keep = chain.registry.encode_abi("setKeeper", [key])
    forbidden = [chain.registry.address, 0, to_keep, CALL, ROLE, True]
    assert "TargetAddressNotAllowed" in refusal(roles, forbidden, key)
    to_wind_down = chain.rebalancer.encode_abi("windDown", [0, (0, key, 0), []])
    other_function = [chain.rebalancer.address, 0, to_wind_down, CALL, ROLE, True]
    assert "FunctionNotAllowed" in refusal(roles, other_function, key)
    stranger = chain.deployment.accounts["stranger"]
    assert refusal(roles, forbidden, stranger).startswith("NotAuthorized")


def node_behind(scene: Scene, rpc: Rpc) -> ChainReader:
    return node_of(scene, rpc, modifier=modifier_of(scene.world))


@pytest.mark.parametrize("transport", [None, without_simulate()], ids=["eth_simulateV1", "eth_call"])
def test_the_vaults_reason_is_known_although_the_modifier_hides_it(chain: LocalChain, transport: Any) -> None:
    scene = scene_on(chain)
    with Rpc(chain.deployment.rpc_url, transport=transport) as rpc:
        node = node_behind(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        plan = levering(snapshot, scene)
        late = replace(plan, epoch=plan.epoch + 1)
        possible = node.simulate(plan, snapshot)
        assert possible.success
        call = node.outgoing(plan, snapshot)
        sent: TxParams = {
            "from": to_checksum_address(snapshot.keeper_address),
            "to": to_checksum_address(call.to),
            "data": HexStr(call.calldata),
            "gas": possible.gas,
        }
        assert chain.w3.eth.call(sent) == EXECUTED, "the gas is enough"
        report = node.simulate(late, snapshot)
        trials = [DrillTrial(0.0, snapshot, tried, recovered_at=1.0) for tried in (plan, late)]
        carried_out, refused = node.drill(trials, snapshot)
    assert (report.success, report.method) == (False, "eth_call" if transport else "eth_simulateV1")
    assert report.revert is not None
    assert report.revert.startswith("WrongEpoch")
    assert (carried_out.revert, refused.revert) == ("", report.revert)
    assert carried_out.health_factor > 1


def signed_by(key: str, data: bytes, modifier: str) -> bytes:
    """The calldata with the key's signature behind it, as Zodiac's SignatureChecker reads it from any sender."""
    salt = bytes(32)
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "ModuleTx": [{"name": "data", "type": "bytes"}, {"name": "salt", "type": "bytes32"}],
        },
        "primaryType": "ModuleTx",
        "domain": {"chainId": CHAIN_ID, "verifyingContract": modifier},
        "message": {"data": data, "salt": salt},
    }
    signature = Account.sign_message(encode_typed_data(full_message=typed), key).signature
    return data + salt + bytes(signature)


def test_a_call_of_the_key_that_a_stranger_sends_pauses_the_keeper(keeper: Run, chain: LocalChain) -> None:
    scene = scene_on(chain)
    assert keeper("rebalance", "--execute").code == 0
    with Rpc(chain.deployment.rpc_url) as rpc:
        node = node_behind(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        repay = a_step(StepKind.REPAY, "USDC", snapshot.holdings[0].idle // 2)
        call = node.outgoing(a_plan(snapshot, (repay,), call=VaultCall.DELEVERAGE), snapshot)
    key = to_checksum_address(chain.deployment.accounts["keeper"])
    nonce = chain.w3.eth.get_transaction_count(key)
    data = signed_by(chain.deployment.private_key, bytes.fromhex(call.calldata[2:]), call.to)
    fields: TxParams = {
        "from": to_checksum_address(chain.deployment.accounts["stranger"]),
        "to": to_checksum_address(call.to),
        "data": HexStr("0x" + data.hex()),
        "gas": 2_000_000,
    }
    mined(chain.w3, chain.w3.eth.send_transaction(fields), "the stranger's call")
    assert chain.w3.eth.get_transaction_count(key) == nonce
    held = keeper("rebalance", "--execute")
    assert "foreign_transaction" in held.out + held.err
    assert "no call in this journal brought it there" in keeper("status").out


class OtherEvents(httpx.HTTPTransport):
    """The same node, which tells these events instead of the modifier's."""

    def __init__(self, events: list[dict[str, object]]) -> None:
        super().__init__()
        self.events = events

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.read())
        if isinstance(asked, dict) and asked["method"] == "eth_getLogs":
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "result": self.events})
        return super().handle_request(request)


def powers_by(chain: LocalChain, events: list[dict[str, object]] | None = None) -> Powers:
    transport = OtherEvents(events) if events is not None else None
    with Rpc(chain.deployment.rpc_url, transport=transport) as rpc:
        node = node_behind(scene_on(chain), rpc)
        snapshot = node.read({}, 0).snapshot
        key, block = snapshot.keeper_address, snapshot.block
        return read_powers(rpc, MULTICALL, node.deployment(), key=key, block=block)


def test_a_history_that_explains_nothing_is_none_and_others_in_it_are_named(
    chain: LocalChain, roles: Contract
) -> None:
    stranger, key = chain.deployment.accounts["stranger"], chain.deployment.accounts["keeper"]
    as_safe(chain, roles.functions.assignRoles(stranger, [bytes.fromhex(ROLE[2:])], [True]))
    whole = powers_by(chain)
    assert whole.history is not None
    assert len(whole.history.of(key)) == len(VaultCall)
    assert whole.others == ((stranger.lower(), False),)
    assert powers_by(chain, []).history is None
    event: dict[str, object] = {"address": chain.deployment.vault, "topics": ["0x" + "12" * 32], "data": "0x"}
    with pytest.raises(NodeUntrusted, match="got one of"):
        powers_by(chain, [event])


def test_a_link_that_is_taken_away_stops_trades_and_no_reading(
    keeper: Run, chain: LocalChain, roles: Contract
) -> None:
    key, role = chain.deployment.accounts["keeper"], bytes.fromhex(ROLE[2:])
    with Rpc(chain.deployment.rpc_url) as rpc:
        node = node_behind(scene_on(chain), rpc)
        assert node.read({}, 0).snapshot.keeper_has_role
        as_safe(chain, roles.functions.assignRoles(key, [role], [False]))
        assert not node.read({}, 0).snapshot.keeper_has_role
        as_safe(chain, roles.functions.assignRoles(key, [role], [True]))
        assert node.read({}, 0).snapshot.keeper_has_role
        delay = to_checksum_address(chain.deployment.accounts["stranger"])
        as_safe(chain, roles.functions.setTarget(delay))
        assert not node.read({}, 0).snapshot.keeper_has_role
    assert f"asks {delay} to act" in examined()["Safe"].detail
    assert "cannot act as the vault's keeper through the Safe" in keeper("rebalance", "--execute").out


def examined() -> dict[str, Diagnosis]:
    """The doctor's lines up to the key's role; what comes after takes longer and knows no Safe."""
    lines = {}
    for line in examine():
        lines[line.name] = line
        if line.name == "key's role":
            break
    return lines


def test_doctor_reads_who_can_do_what(keeper: Run, chain: LocalChain, roles: Contract) -> None:
    healthy = examined()
    assert "2 of 3 owners" in healthy["Safe"].detail
    assert "its history allows nothing else" in healthy["key's role"].detail
    assert {healthy[name].status for name in ("Safe", "key's role")} == {LineStatus.OK}

    token = chain.tokens["WETH"].address
    role = bytes.fromhex(ROLE[2:])
    as_safe(chain, roles.functions.scopeTarget(role, token))
    as_safe(chain, roles.functions.allowFunction(role, token, bytes.fromhex("a9059cbb"), 0))
    loose = examined()["key's role"]
    assert (loose.status, loose.exit_code) == (LineStatus.FAILED, 5)
    assert "transfer of WETH" in loose.detail
    assert f"0xa9059cbb of {token.lower()}" in loose.detail

    safe = contract_at(chain.w3, "Safe", chain.deployment.contracts["safe"])
    as_safe(chain, safe.functions.disableModule("0x" + "1".rjust(40, "0"), roles.address))
    cut = examined()
    assert f"does not let the modifier {roles.address} act" in cut["Safe"].detail
    assert cut["key's role"].status is LineStatus.SKIPPED
    held = keeper("rebalance", "--execute")
    assert held.code == 5
    assert "cannot act as the vault's keeper through the Safe" in held.out
