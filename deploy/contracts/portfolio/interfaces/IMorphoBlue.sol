// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice What names a market; its id is the hash of these words.
struct MarketParams {
    address loanToken;
    address collateralToken;
    address oracle;
    address irm;
    uint256 lltv;
}

/// @notice A market's sums, without the interest since `lastUpdate`.
struct MarketState {
    uint128 totalSupplyAssets;
    uint128 totalSupplyShares;
    uint128 totalBorrowAssets;
    uint128 totalBorrowShares;
    uint128 lastUpdate;
    uint128 fee;
}

/// @notice What somebody has in a market.
struct MarketPosition {
    uint256 supplyShares;
    uint128 borrowShares;
    uint128 collateral;
}

/// @notice What an account asks of Morpho Blue. Of assets and shares one is 0.
interface IMorphoBlue {
    function idToMarketParams(bytes32 id) external view returns (MarketParams memory);

    function market(bytes32 id) external view returns (MarketState memory);

    function position(bytes32 id, address owner) external view returns (MarketPosition memory);

    function supplyCollateral(MarketParams memory params, uint256 assets, address onBehalf, bytes memory data)
        external;

    function withdrawCollateral(MarketParams memory params, uint256 assets, address onBehalf, address receiver)
        external;

    function withdraw(MarketParams memory params, uint256 assets, uint256 shares, address onBehalf, address receiver)
        external
        returns (uint256 gotAssets, uint256 gotShares);

    function borrow(MarketParams memory params, uint256 assets, uint256 shares, address onBehalf, address receiver)
        external
        returns (uint256 gotAssets, uint256 gotShares);

    function repay(MarketParams memory params, uint256 assets, uint256 shares, address onBehalf, bytes memory data)
        external
        returns (uint256 paidAssets, uint256 paidShares);

    function flashLoan(address token, uint256 assets, bytes calldata data) external;
}

/// @notice A market's interest rate model.
interface IMorphoRates {
    /// @return rate Of the debt, a second, 18 decimals: the mean since the market's last update.
    function borrowRateView(MarketParams memory params, MarketState memory state) external view returns (uint256 rate);
}

/// @notice A market's oracle.
interface IMorphoOracle {
    /// @return Of a raw unit of collateral in raw units of the loan token, 36 decimals.
    function price() external view returns (uint256);
}
