// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Asset} from "portfolio/interfaces/IPolicyRegistry.sol";
import {PackedAsset, PackedAssets} from "portfolio/PackedAssets.sol";
import {Checks} from "./support/Checks.sol";

contract PackedAssetsTest is Checks {
    function testFuzz_what_is_packed_is_what_is_read(Asset memory asset) public pure {
        PackedAsset packed = PackedAssets.pack(asset);
        eq(packed.token(), asset.token, "token");
        eq(packed.maxWeightBps(), asset.maxWeightBps, "maxWeightBps");
        eq(packed.slippageBps(), asset.slippageBps, "slippageBps");
        eq(packed.lagBps(), asset.lagBps, "lagBps");
        check(packed.enabled() == asset.enabled && packed.borrowable() == asset.borrowable, "flags");
        check(keccak256(abi.encode(packed.unpack())) == keccak256(abi.encode(asset)), "unpacked");
        asset.enabled = false;
        check(keccak256(abi.encode(packed.disabled().unpack())) == keccak256(abi.encode(asset)), "disabled");
    }

    function testFuzz_units_are_powers_of_ten(Asset memory asset) public pure {
        (asset.decimals, asset.dustExponent) = (asset.decimals % 19, asset.dustExponent % 19);
        PackedAsset packed = PackedAssets.pack(asset);
        eq(packed.unit(), 10 ** asset.decimals, "unit");
        eq(packed.dust(), 10 ** asset.dustExponent, "dust");
    }
}
