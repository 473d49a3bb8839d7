// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {PackedAsset} from "./PackedAssets.sol";
import {PackedHealths, PackedLimits} from "./PackedPolicy.sol";
import {Pages} from "./Pages.sol";

/// @dev A pool with the places of its tokens in the assets. From the bottom: address (160 bits), place0 (8), place1 (8),
/// fee (24), listed (1).
type PackedPool is uint256;

/// @notice Roles, numbers and lists, in their order on the page. A removed keeper is address(0).
struct PolicyPage {
    PackedHealths healths;
    PackedLimits limits;
    address keeper;
    address guardian;
    address[] tokens; // the assets' own, written with them
    PackedAsset[] assets;
    address[] accounts;
    PackedPool[] pools;
}

using PolicyPages for PolicyPage global;
using PolicyPages for PackedPool global;

/// @title A policy on a page, which a call reads as a whole.
library PolicyPages {
    uint256 private constant PLACE0_AT = 160;
    uint256 private constant PLACE1_AT = 168;
    uint256 private constant FEE_AT = 176;
    uint256 private constant LISTED = 1 << 200;

    // ---------------------------------------------------------------- pages

    function write(PolicyPage memory p) internal returns (address page) {
        return Pages.write(
            abi.encodePacked(
                p.healths,
                p.limits,
                uint256(uint160(p.keeper)),
                uint256(uint160(p.guardian)),
                abi.encodePacked(p.assets.length, _tokens(p.assets)),
                abi.encodePacked(p.assets.length, _words(p.assets)),
                abi.encodePacked(p.accounts.length, p.accounts),
                abi.encodePacked(p.pools.length, _words(p.pools))
            )
        );
    }

    /// @dev The arrays stay where the page was copied to: each has its length before it, as arrays in memory have.
    function read(address page) internal view returns (PolicyPage memory p) {
        uint256[] memory words = Pages.read(page);
        assembly ("memory-safe") {
            mcopy(p, add(words, 0x20), 0x80)
            let list := add(words, 0xa0)
            for { let field := add(p, 0x80) } lt(field, add(p, 0x100)) { field := add(field, 0x20) } {
                mstore(field, list)
                list := add(list, shl(5, add(mload(list), 1)))
            }
        }
    }

    // ---------------------------------------------------------------- the lists

    /// @return place In the assets; their length where the token is not among them.
    function placeOf(PolicyPage memory p, address token) internal pure returns (uint256 place) {
        while (place < p.assets.length && p.assets[place].token() != token) place++;
    }

    /// @return place In the pools; their length where it was never listed.
    function placeOfPool(PolicyPage memory p, address pool) internal pure returns (uint256 place) {
        while (place < p.pools.length && p.pools[place].at() != pool) place++;
    }

    /// @notice The asset at its place, behind the others where it is new.
    function setAsset(PolicyPage memory p, uint256 place, PackedAsset asset) internal pure {
        if (place == p.assets.length) {
            PackedAsset[] memory longer = new PackedAsset[](place + 1);
            for (uint256 i = 0; i < place; i++) longer[i] = p.assets[i];
            p.assets = longer;
        }
        p.assets[place] = asset;
    }

    function setPool(PolicyPage memory p, uint256 place, PackedPool it) internal pure {
        if (place == p.pools.length) {
            PackedPool[] memory longer = new PackedPool[](place + 1);
            for (uint256 i = 0; i < place; i++) longer[i] = p.pools[i];
            p.pools = longer;
        }
        p.pools[place] = it;
    }

    function addAccount(PolicyPage memory p, address account) internal pure {
        address[] memory longer = new address[](p.accounts.length + 1);
        for (uint256 i = 0; i < p.accounts.length; i++) longer[i] = p.accounts[i];
        longer[p.accounts.length] = account;
        p.accounts = longer;
    }

    // ---------------------------------------------------------------- a pool

    function packPool(address pool, uint256 first, uint256 second, uint24 feeUnits, bool isListed)
        internal
        pure
        returns (PackedPool)
    {
        return PackedPool.wrap(
            uint256(uint160(pool)) | (first << PLACE0_AT) | (second << PLACE1_AT) | (uint256(feeUnits) << FEE_AT)
                | (isListed ? LISTED : 0)
        );
    }

    function at(PackedPool p) internal pure returns (address) {
        return address(uint160(PackedPool.unwrap(p)));
    }

    function place0(PackedPool p) internal pure returns (uint256) {
        return uint8(PackedPool.unwrap(p) >> PLACE0_AT);
    }

    function place1(PackedPool p) internal pure returns (uint256) {
        return uint8(PackedPool.unwrap(p) >> PLACE1_AT);
    }

    /// @dev In hundredths of a basis point, as Uniswap counts.
    function fee(PackedPool p) internal pure returns (uint24) {
        return uint24(PackedPool.unwrap(p) >> FEE_AT);
    }

    function listed(PackedPool p) internal pure returns (bool) {
        return PackedPool.unwrap(p) & LISTED != 0;
    }

    function unlisted(PackedPool p) internal pure returns (PackedPool) {
        return PackedPool.wrap(PackedPool.unwrap(p) & ~LISTED);
    }

    // ---------------------------------------------------------------- internal

    function _tokens(PackedAsset[] memory list) private pure returns (address[] memory tokens) {
        tokens = new address[](list.length);
        for (uint256 i = 0; i < list.length; i++) tokens[i] = list[i].token();
    }

    function _words(PackedAsset[] memory list) private pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := list
        }
    }

    function _words(PackedPool[] memory list) private pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := list
        }
    }
}
