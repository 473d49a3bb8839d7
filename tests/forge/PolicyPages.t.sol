// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {PackedAsset} from "portfolio/PackedAssets.sol";
import {PackedHealths, PackedLimits, PackedPolicy} from "portfolio/PackedPolicy.sol";
import {PackedPool, PolicyPage, PolicyPages} from "portfolio/PolicyPages.sol";
import {Checks} from "./support/Checks.sol";

contract PolicyPagesTest is Checks {
    function testFuzz_a_policy_is_packed_and_unpacked(Policy memory policy) public pure {
        PolicyPage memory p;
        (p.healths, p.limits) = PackedPolicy.pack(policy);
        check(keccak256(abi.encode(PackedPolicy.unpack(p.healths, p.limits))) == keccak256(abi.encode(policy)), "policy");
    }

    /// @dev As long as lists get.
    function testFuzz_a_page_is_read_as_it_was_written(uint256 seed) public {
        PolicyPage memory written = _page(seed);
        PolicyPage memory read = PolicyPages.read(PolicyPages.write(written));
        written.tokens = new address[](written.assets.length);
        for (uint256 i = 0; i < written.assets.length; i++) {
            written.tokens[i] = written.assets[i].token();
        }
        check(keccak256(abi.encode(read)) == keccak256(abi.encode(written)), "page");
    }

    function testFuzz_lists_grow_and_change_in_place(uint256 seed) public pure {
        PolicyPage memory p = _page(seed);
        (uint256 assets, uint256 accounts, uint256 pools) = (p.assets.length, p.accounts.length, p.pools.length);
        address account = address(uint160(seed));
        PackedPool pool = PolicyPages.packPool(account, 3, 4, 500, true);
        p.setAsset(assets, PackedAsset.wrap(seed));
        p.addAccount(account);
        p.setPool(pools, pool);
        check(PackedAsset.unwrap(p.assets[assets]) == seed, "asset");
        eq(p.accounts[accounts], account, "account");
        check(p.pools[pools].at() == account && p.pools[pools].listed(), "pool");
        eq(p.pools[pools].place0() * 10 + p.pools[pools].place1(), 34, "places");
        eq(p.pools[pools].fee(), 500, "fee");
        p.setPool(pools, pool.unlisted());
        check(p.pools.length == pools + 1 && !p.pools[pools].listed(), "in place");
    }

    function _page(uint256 seed) private pure returns (PolicyPage memory p) {
        (p.keeper, p.guardian) = (address(uint160(seed)), address(uint160(seed >> 96)));
        p.healths = PackedHealths.wrap(uint256(keccak256(abi.encode(seed))));
        p.limits = PackedLimits.wrap(uint256(keccak256(abi.encode(p.healths))));
        p.assets = new PackedAsset[](seed % 21);
        p.accounts = new address[]((seed >> 32) % 9);
        p.pools = new PackedPool[]((seed >> 64) % 101);
        for (uint256 i = 0; i < p.pools.length; i++) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            p.pools[i] = PackedPool.wrap(word);
            if (i < p.assets.length) p.assets[i] = PackedAsset.wrap(word >> 1);
            if (i < p.accounts.length) p.accounts[i] = address(uint160(word >> 2));
        }
    }
}
