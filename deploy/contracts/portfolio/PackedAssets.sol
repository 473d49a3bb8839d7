// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Asset} from "./interfaces/IPolicyRegistry.sol";

/// @dev An asset in the word that it is stored in, read without unpacking the rest. From the bottom: token (160 bits),
/// decimals (8), dustExponent (8), maxWeightBps (16), slippageBps (16), lagBps (16), enabled (1), borrowable (1).
type PackedAsset is uint256;

using PackedAssets for PackedAsset global;

library PackedAssets {
    uint256 private constant DECIMALS_AT = 160;
    uint256 private constant DUST_AT = 168;
    uint256 private constant WEIGHT_AT = 176;
    uint256 private constant SLIPPAGE_AT = 192;
    uint256 private constant LAG_AT = 208;
    uint256 private constant ENABLED = 1 << 224;
    uint256 private constant BORROWABLE = 1 << 225;

    function pack(Asset memory a) internal pure returns (PackedAsset) {
        return PackedAsset.wrap(
            uint256(uint160(a.token)) | (uint256(a.decimals) << DECIMALS_AT) | (uint256(a.dustExponent) << DUST_AT)
                | (uint256(a.maxWeightBps) << WEIGHT_AT) | (uint256(a.slippageBps) << SLIPPAGE_AT)
                | (uint256(a.lagBps) << LAG_AT) | (a.enabled ? ENABLED : 0) | (a.borrowable ? BORROWABLE : 0)
        );
    }

    function unpack(PackedAsset a) internal pure returns (Asset memory) {
        return Asset({
            token: a.token(),
            decimals: uint8(PackedAsset.unwrap(a) >> DECIMALS_AT),
            dustExponent: uint8(PackedAsset.unwrap(a) >> DUST_AT),
            maxWeightBps: uint16(a.maxWeightBps()),
            slippageBps: uint16(a.slippageBps()),
            lagBps: uint16(a.lagBps()),
            enabled: a.enabled(),
            borrowable: a.borrowable()
        });
    }

    function unpackAll(PackedAsset[] memory packed) internal pure returns (Asset[] memory list) {
        list = new Asset[](packed.length);
        for (uint256 i = 0; i < list.length; i++) {
            list[i] = packed[i].unpack();
        }
    }

    function disabled(PackedAsset a) internal pure returns (PackedAsset) {
        return PackedAsset.wrap(PackedAsset.unwrap(a) & ~ENABLED);
    }

    function token(PackedAsset a) internal pure returns (address) {
        return address(uint160(PackedAsset.unwrap(a)));
    }

    /// @dev Raw units of a whole token. No asset with more than 18 decimals is listed.
    function unit(PackedAsset a) internal pure returns (uint256) {
        unchecked {
            return 10 ** uint8(PackedAsset.unwrap(a) >> DECIMALS_AT);
        }
    }

    /// @dev Less of it than this counts for nothing, whatever its price: anybody can send it.
    function dust(PackedAsset a) internal pure returns (uint256) {
        unchecked {
            return 10 ** uint8(PackedAsset.unwrap(a) >> DUST_AT);
        }
    }

    function maxWeightBps(PackedAsset a) internal pure returns (uint256) {
        return uint16(PackedAsset.unwrap(a) >> WEIGHT_AT);
    }

    function slippageBps(PackedAsset a) internal pure returns (uint256) {
        return uint16(PackedAsset.unwrap(a) >> SLIPPAGE_AT);
    }

    function lagBps(PackedAsset a) internal pure returns (uint256) {
        return uint16(PackedAsset.unwrap(a) >> LAG_AT);
    }

    function enabled(PackedAsset a) internal pure returns (bool) {
        return PackedAsset.unwrap(a) & ENABLED != 0;
    }

    function borrowable(PackedAsset a) internal pure returns (bool) {
        return PackedAsset.unwrap(a) & BORROWABLE != 0;
    }
}
