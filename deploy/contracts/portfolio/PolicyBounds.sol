// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IPolicyRegistry, Policy} from "./interfaces/IPolicyRegistry.sol";

/// @notice What no admin can set, and what counts as tighter.
/// @dev The most that a stolen key costs follows from these: see docs/vault.md.
library PolicyBounds {
    uint256 internal constant MOST_DAILY_LOSS_BPS = 150;
    uint256 internal constant MOST_GUARDIAN_LOSS_BPS = 10;
    uint256 internal constant MOST_EMERGENCY_LOSS_BPS = 200;
    uint256 internal constant MOST_RIPCORD_LOSS_BPS = 150;
    /// @dev Less would stop the emergency exits, which need a market's fee and a feed's lag.
    uint256 internal constant LEAST_EMERGENCY_LOSS_BPS = 100;
    uint256 private constant MOST_DAILY_TURNOVER_BPS = 30_000;
    uint256 private constant MOST_GAP_BPS = 300;
    uint256 private constant LEAST_GAP_BPS = 25;
    uint256 private constant MOST_LEVERAGE = 4e18;
    uint256 private constant LEAST_HEALTH = 1.05e18;
    uint256 private constant MOST_HEALTH = 3e18;
    uint256 private constant LEAST_EMERGENCY_HEALTH = 1.02e18;
    uint256 private constant MOST_INTERVAL = 7 days;
    uint256 private constant MOST_RIPCORD_INTERVAL = 1 hours;

    function check(Policy memory p) public pure {
        _require(p.minHealth >= LEAST_HEALTH && p.minHealth <= MOST_HEALTH, "minHealth");
        // The market must have moved by a twentieth before the emergency's budget opens: nobody can lever into it.
        _require(
            p.emergencyHealth >= LEAST_EMERGENCY_HEALTH && uint256(p.emergencyHealth) * 20 <= uint256(p.minHealth) * 19,
            "emergencyHealth"
        );
        _require(p.targetHealth > p.emergencyHealth && p.targetHealth <= p.minHealth, "targetHealth");
        _require(p.ripcordHealth > 1e18 && p.ripcordHealth <= p.emergencyHealth, "ripcordHealth");
        _require(p.maxLeverage >= 1e18 && p.maxLeverage <= MOST_LEVERAGE, "maxLeverage");
        _require(p.minInterval <= MOST_INTERVAL, "minInterval");
        _require(p.ripcordInterval <= MOST_RIPCORD_INTERVAL, "ripcordInterval");
        _require(p.dailyLossBps <= MOST_DAILY_LOSS_BPS, "dailyLossBps");
        _require(p.maxLossBps <= p.dailyLossBps, "maxLossBps");
        _require(p.dailyTurnoverBps <= MOST_DAILY_TURNOVER_BPS, "dailyTurnoverBps");
        _require(p.maxGapBps >= LEAST_GAP_BPS && p.maxGapBps <= MOST_GAP_BPS, "maxGapBps");
        _require(p.guardianLossBps <= MOST_GUARDIAN_LOSS_BPS, "guardianLossBps");
        _require(_between(p.emergencyLossBps, MOST_EMERGENCY_LOSS_BPS), "emergencyLossBps");
        _require(_between(p.ripcordLossBps, MOST_RIPCORD_LOSS_BPS), "ripcordLossBps");
    }

    /// @dev The healths of an emergency have no tighter side: one opens a budget, the other locks an exit.
    function requireTighter(Policy memory old, Policy memory p) public pure {
        _requireTighter(p.minHealth >= old.minHealth, "minHealth");
        _requireTighter(p.emergencyHealth == old.emergencyHealth, "emergencyHealth");
        _requireTighter(p.targetHealth == old.targetHealth, "targetHealth");
        _requireTighter(p.ripcordHealth == old.ripcordHealth, "ripcordHealth");
        _requireTighter(p.maxLeverage <= old.maxLeverage, "maxLeverage");
        _requireTighter(p.minInterval >= old.minInterval, "minInterval");
        _requireTighter(p.ripcordInterval == old.ripcordInterval, "ripcordInterval");
        _requireTighter(p.maxLossBps <= old.maxLossBps, "maxLossBps");
        _requireTighter(p.dailyLossBps <= old.dailyLossBps, "dailyLossBps");
        _requireTighter(p.dailyTurnoverBps <= old.dailyTurnoverBps, "dailyTurnoverBps");
        _requireTighter(p.maxGapBps <= old.maxGapBps, "maxGapBps");
        _requireTighter(p.guardianLossBps <= old.guardianLossBps, "guardianLossBps");
        _requireTighter(p.emergencyLossBps <= old.emergencyLossBps, "emergencyLossBps");
        _requireTighter(p.ripcordLossBps <= old.ripcordLossBps, "ripcordLossBps");
    }

    function _between(uint256 bps, uint256 most) private pure returns (bool) {
        return bps >= LEAST_EMERGENCY_LOSS_BPS && bps <= most;
    }

    function _require(bool held, bytes32 field) private pure {
        if (!held) revert IPolicyRegistry.PolicyOutOfBounds(field);
    }

    function _requireTighter(bool held, bytes32 field) private pure {
        if (!held) revert IPolicyRegistry.NotTighter(field);
    }
}
