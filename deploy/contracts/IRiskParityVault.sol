// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title What the keeper, the guardian, the admin and depositors may ask of the vault.
/// @notice Money amounts are raw token units. Values in USD carry 8 decimals (Aave's base currency), ratios 18 decimals
/// (1e18 = 1), limits in bps of the NAV before the call unless said otherwise. The contract assumes that the keeper's
/// key will be stolen: whatever it signs is bounded by the policy below, and every recipient is the vault.
interface IRiskParityVault {
    // ---------------------------------------------------------------- steps

    enum StepKind {
        Supply, //       amount of token into the lending pool as collateral
        Withdraw, //     amount of token out of the lending pool
        Borrow, //       amount of the debt asset
        Repay, //        amount of the debt asset's debt
        SwapExactIn, //  sell amount of token along path, receive at least limit
        SwapExactOut //  buy amount of token along path (reversed, as Uniswap wants it), pay at most limit
    }

    /// @dev amount == type(uint256).max means "all there is": the idle balance for Supply and SwapExactIn, the whole
    /// position for Withdraw, the whole debt (or the idle balance where that is less) for Repay. Not allowed for Borrow
    /// and SwapExactOut. For a swap, token is the one whose amount is exact: the input of SwapExactIn, the output of SwapExactOut.
    struct Step {
        StepKind kind;
        address token;
        uint256 amount;
        uint256 limit;
        bytes path;
    }

    // --------------------------------------------------------------- policy

    /// @notice The admin's limits. Loosening and tightening are both the admin's (a timelock's).
    struct Policy {
        uint64 minHealthFactor; //          1e18; every rebalance ends at or above it
        uint64 maxLeverage; //              1e18; gross asset value / NAV after a rebalance
        uint64 ripcordHealthFactor; //      1e18; under it anybody may deleverage
        uint64 ripcordTargetHealthFactor; // 1e18; a permissionless ripcord may not go beyond it
        uint32 minInterval; //              seconds between two rebalances
        uint32 ripcordInterval; //          seconds between two permissionless ripcords
        uint16 maxLossBps; //               NAV lost in one rebalance
        uint16 maxEmergencyLossBps; //      NAV lost in one deleverage or ripcord
        uint16 maxDailyLossBps; //          leaky bucket over rebalances, drains over 24 hours
        uint16 maxDailyEmergencyLossBps; // leaky bucket over deleverages and ripcords, drains over 24 hours
        uint32 maxDailyTurnoverBps; //      leaky bucket over the value sold in swaps of rebalances, drains over 24 hours
        uint16 maxOracleGapBps; //          largest gap between the vault's feed and the lending market's oracle
    }

    /// @notice One allowlisted token. The accounting (and debt) asset has an entry as well; its maxWeightBps is not used.
    struct AssetConfig {
        address token;
        address feed; //          AggregatorV3, USD
        uint32 maxAge; //         seconds; an older answer is stale
        uint16 maxWeightBps; //   value / NAV after a rebalance, 10000 = 1
        bool enabled; //          false: may be sold and withdrawn, not bought or supplied
    }

    /// @notice Used part of the daily budgets, already drained to the time of the call, in 1e18 fractions of NAV.
    struct Budgets {
        uint256 loss;
        uint256 emergencyLoss;
        uint256 turnover;
    }

    /// @notice The vault seen through its own feeds, at the call's block. Where one has no price, the lending market's
    /// counts.
    struct Position {
        uint256 navUsd; //        8 decimals; collateral + idle - debt
        uint256 grossUsd; //      8 decimals; value of all assets but the debt asset
        uint256 debtUsd; //       8 decimals
        uint256 leverage; //      1e18; grossUsd / navUsd
        uint256 healthFactor; //  1e18; the lending market's; type(uint256).max without debt
    }

    // ---------------------------------------------------------------- calls

    /// @notice Keeper only. Runs the steps (inside a flash loan of the debt asset when flashAmount > 0), then checks
    /// every limit of the policy against oracle prices. Reverts while paused, on a stale or contradictory feed, or when
    /// the sequencer is down or freshly up. Increments the epoch exactly once.
    function rebalance(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps) external;

    /// @notice Keeper or guardian. Runs also while paused, on stale feeds, and inside the minimum interval; must lower
    /// the debt and raise the health factor. A held asset without a feed price counts at the lending market's price and
    /// cannot be sold. Increments the same epoch.
    function deleverage(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps) external;

    /// @notice Anybody, while the health factor is under policy().ripcordHealthFactor: as deleverage, not beyond
    /// ripcordTargetHealthFactor, not more often than ripcordInterval, and only out of the first half of the daily
    /// emergency budget, so that strangers cannot use up what the keeper and the guardian may need.
    function ripcord(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps) external;

    function pause() external; //   guardian or admin: stops rebalance and deposits; deleverage and withdrawals go on
    function unpause() external; // admin

    function setPolicy(Policy calldata newPolicy) external; //            admin
    function setAsset(AssetConfig calldata config) external; //           admin; adds or replaces
    function setFeeTier(uint24 fee, bool allowed) external; //            admin
    function setSequencerFeed(address feed, uint32 gracePeriod) external; // admin; address(0): none (not an L2)
    function setCollateralCategory(uint8 eModeCategory) external; //      admin; the lending market's eMode

    // ---------------------------------------------------------------- views

    function epoch() external view returns (uint256);
    function lastRebalance() external view returns (uint256 timestamp);
    function policy() external view returns (Policy memory);
    function assets() external view returns (AssetConfig[] memory);
    function budgets() external view returns (Budgets memory);
    function position() external view returns (Position memory);
    function feeTierAllowed(uint24 fee) external view returns (bool);
    function sequencer() external view returns (address feed, uint32 gracePeriod);
    function lendingPool() external view returns (address);
    function swapRouter() external view returns (address);
    function swapFactory() external view returns (address);

    // --------------------------------------------------------------- events

    /// @dev The epoch of an event is the one its call led to: expectedEpoch + 1.
    event Rebalanced(uint256 indexed epoch, uint256 navBeforeUsd, uint256 navAfterUsd, uint256 healthFactor, uint256 leverage);
    event Deleveraged(
        uint256 indexed epoch, address indexed caller, uint256 navBeforeUsd, uint256 navAfterUsd, uint256 healthFactor
    );
    event StepExecuted(uint256 indexed epoch, uint256 index, StepKind kind, address token, uint256 amountIn, uint256 amountOut);
    event PolicyChanged(Policy policy);
    event AssetChanged(AssetConfig config);
    event FeeTierChanged(uint24 fee, bool allowed);
    event SequencerFeedChanged(address feed, uint32 gracePeriod);

    // --------------------------------------------------------------- errors

    error WrongEpoch(uint256 expected, uint256 actual);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    error TooSoon(uint256 notBefore, uint256 timestamp);
    error NoSteps();
    error TokenNotAllowed(address token);
    error TokenDisabled(address token);
    error FeeTierNotAllowed(uint24 fee);
    error PathMalformed(uint256 stepIndex);
    error AmountNotAllowed(uint256 stepIndex);
    error StalePrice(address token, uint256 updatedAt, uint256 maxAge);
    error InvalidPrice(address token, int256 answer);
    error OracleGap(address token, uint256 feedPrice, uint256 marketPrice, uint256 maxGapBps);
    error SequencerDown();
    error SequencerGracePeriod(uint256 upSince, uint256 gracePeriod);
    error LossAboveLimit(uint256 lossBps, uint256 limitBps);
    error DailyLossAboveLimit(uint256 used, uint256 limit);
    error DailyTurnoverAboveLimit(uint256 used, uint256 limit);
    error HealthFactorBelowFloor(uint256 healthFactor, uint256 floor);
    error LeverageAboveCap(uint256 leverage, uint256 cap);
    error WeightAboveCap(address token, uint256 weightBps, uint256 capBps);
    error DebtNotLowered(uint256 debtBefore, uint256 debtAfter);
    error HealthFactorNotRaised(uint256 before, uint256 afterwards);
    error StepRaisesRisk(uint256 stepIndex);
    error RipcordNotArmed(uint256 healthFactor, uint256 threshold);
    error RipcordBeyondTarget(uint256 healthFactor, uint256 target);
    error CallerNotKeeperOrGuardian(address caller);
    error CallerNotGuardianOrAdmin(address caller);
    error UnexpectedFlashLoan();
    error AllowanceLeft(address token, address spender);
    error InvalidPolicy(bytes32 field);
    error InvalidAsset(address token, bytes32 field);
}
