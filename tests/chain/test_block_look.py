"""A look at the newest block, against the real vault, Aave and feeds, beside the snapshot of the same block."""

from __future__ import annotations

from keeper.chain.block_look import BlockWatcher
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.connect import connected
from keeper.decision.watch_rules import as_seen, findings
from keeper.devnet.local_chain import LocalChain
from tests.chain.node_scene import HISTORY_S, MULTICALL, node_of, url_of
from tests.chain.vault_scene import scene_on

NOBODY = "http://127.0.0.1:9"


def test_a_look_says_what_the_snapshot_says_in_one_request_of_the_next_node_that_answers(
    chain: LocalChain,
) -> None:
    scene = scene_on(chain)
    url = url_of(scene)
    with Rpc(url) as rpc, connected((NOBODY, url), 1, chain.w3.eth.chain_id) as reads:
        node = node_of(scene, rpc)
        looks = BlockWatcher(reads, MULTICALL, scene.people.keeper, deployment=node.known_deployment)
        assert looks.look() is None, "nothing is discovered yet"
        snapshot = node.read({}, HISTORY_S).snapshot
        first, second = looks.look(), looks.look()
    assert first is not None
    assert first == second, "the node that is down was left out both times"
    assert as_seen(snapshot, first) == first
    assert findings(first, first, health_factor=1.4, price_move=0.02) == ()
    assert reads.members[1].use.round_trips == 2
