// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Flash, Step} from "./IPortfolio.sol";

/// @title Every call that moves the vault's money, and what it may cost at most.
/// @notice Values in USD carry 8 decimals, ratios 18, windows are parts of NAV in 1e-9. It assumes that the keeper's
/// key will be stolen: what a call may cost is bounded here.
interface IRebalancer {
    /// @dev Times are the chain's; `reserved` raw units of the accounting asset; the last three are spent of their
    /// windows.
    struct State {
        uint64 epoch;
        uint64 guardianEpoch;
        uint64 lastCall;
        uint64 lastKeeper;
        uint64 lastRipcord;
        uint64 leveringClosedUntil;
        uint128 reserved;
        uint256 loss;
        uint256 turnover;
        uint256 guardianLoss;
    }

    event Rebalanced(uint256 indexed epoch, uint256 navUsd, uint256 lossUsd, uint256 soldUsd);
    event Lowered(
        uint256 indexed epoch,
        address indexed caller,
        bool emergency,
        uint256 navUsd,
        uint256 repaidUsd,
        uint256 lossUsd
    );
    event Reserved(uint256 amount);

    error WrongEpoch(uint256 expected, uint256 actual);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    error TooSoon(uint256 notBefore, uint256 timestamp);
    error VaultPaused();
    error SequencerDown();
    error NoSteps();
    error PriceRefused(address token, uint8 fault);
    error LossAboveLimit(uint256 lossUsd, uint256 limitUsd);
    error HealthTooLow(uint256 account, uint256 health, uint256 minimum);
    error HealthNotRaised(uint256 account, uint256 before, uint256 afterwards);
    error HealthBeyondTarget(uint256 account, uint256 health, uint256 target);
    error NotArmed(uint256 threshold);
    error LeverageTooHigh(uint256 leverage, uint256 limit);
    error WeightTooHigh(address token, uint256 weightBps, uint256 limitBps);
    error DebtNotLowered(uint256 beforeUsd, uint256 afterUsd);
    error LeveringClosed(uint256 until);
    error CashReserved(uint256 idle, uint256 reserved);
    error NotSilent(uint256 until);

    /// @notice Keeper, not paused. Every limit of the policy holds afterwards.
    function rebalance(uint256 expectedEpoch, uint256 deadline, Flash calldata loan, Step[] calldata steps) external;

    /// @notice Keeper (in its epoch) or guardian (in its own). Also while paused. Debt must fall, no touched account's
    /// health may. Under emergencyHealth the loss is bounded by the debt repaid, else by the daily limits.
    function deleverage(uint256 expectedEpoch, uint256 deadline, Flash calldata loan, Step[] calldata steps) external;

    /// @notice Anybody, for accounts under ripcordHealth.
    function ripcord(uint256 deadline, Flash calldata loan, Step[] calldata steps) external;

    /// @notice Anybody, once keeper and admin have been silent: repays debt with collateral.
    function windDown(uint256 deadline, Flash calldata loan, Step[] calldata steps) external;

    /// @notice The registry's, whenever either has changed: where roles, numbers and lists lie, and whether it is paused.
    function follow(address page, bool paused) external;

    /// @notice What the queue is owed. A rebalance may not spend cash that it needs.
    function reserve(uint256 amount) external;

    // ---------------------------------------------------------------- views

    /// @notice Keeper and admin have not shown themselves for the registry's silence.
    function silent() external view returns (bool);
    function state() external view returns (State memory);
}
