// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Checks} from "./support/Checks.sol";
import {Market} from "./support/Market.sol";

contract MarketTest is Checks {
    Market private m;

    function setUp() public {
        m = new Market();
        m.openPools();
    }

    function test_the_market_is_aave_and_uniswap_at_the_feeds_prices() public view {
        eq(m.oracle().getAssetPrice(m.at("WETH")), 2_000e8, "price");
        check(m.poolOf("LINK", "USDC", 500) == address(0), "a pool nobody opened");
    }
}
