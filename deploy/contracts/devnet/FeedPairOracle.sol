// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IOracle} from "@morpho-org/morpho-blue/src/interfaces/IOracle.sol";

interface IUsdFeed {
    function latestRoundData() external view returns (uint80, int256 answer, uint256, uint256, uint80);
}

/// @title A market's oracle for Morpho, made of two USD feeds with the same decimals.
/// @notice As Morpho's own oracles do, it looks at no age. A feed that has no price stops it.
contract FeedPairOracle is IOracle {
    error NoPrice(address feed);

    IUsdFeed public immutable COLLATERAL_FEED;
    IUsdFeed public immutable LOAN_FEED;
    uint256 private immutable SCALE;

    constructor(IUsdFeed collateralFeed, uint8 collateralDecimals, IUsdFeed loanFeed, uint8 loanDecimals) {
        COLLATERAL_FEED = collateralFeed;
        LOAN_FEED = loanFeed;
        SCALE = 10 ** (36 + uint256(loanDecimals) - collateralDecimals);
    }

    /// @return Of a raw unit of collateral in raw units of the loan token, 36 decimals.
    function price() external view returns (uint256) {
        return SCALE * _answer(COLLATERAL_FEED) / _answer(LOAN_FEED);
    }

    function _answer(IUsdFeed feed) private view returns (uint256) {
        (, int256 answer,,,) = feed.latestRoundData();
        if (answer <= 0) revert NoPrice(address(feed));
        return uint256(answer);
    }
}
