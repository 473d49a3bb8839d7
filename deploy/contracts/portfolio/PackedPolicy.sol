// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Policy} from "./interfaces/IPolicyRegistry.sol";

/// @dev The health factors of a policy, 64 bits each. From the bottom: minHealth, emergencyHealth, targetHealth,
/// ripcordHealth.
type PackedHealths is uint256;

/// @dev The other numbers of a policy. From the bottom: maxLeverage (64 bits), minInterval (32), ripcordInterval (32),
/// dailyTurnoverBps (32), maxLossBps (16), dailyLossBps (16), maxGapBps (16), guardianLossBps (16), emergencyLossBps
/// (16), ripcordLossBps (16).
type PackedLimits is uint256;

using PackedPolicy for PackedHealths global;
using PackedPolicy for PackedLimits global;

/// @notice A policy in two words, read without unpacking the rest.
library PackedPolicy {
    function pack(Policy memory p) internal pure returns (PackedHealths, PackedLimits) {
        return (
            PackedHealths.wrap(
                uint256(p.minHealth) | (uint256(p.emergencyHealth) << 64) | (uint256(p.targetHealth) << 128)
                    | (uint256(p.ripcordHealth) << 192)
            ),
            PackedLimits.wrap(
                uint256(p.maxLeverage) | (uint256(p.minInterval) << 64) | (uint256(p.ripcordInterval) << 96)
                    | (uint256(p.dailyTurnoverBps) << 128) | (uint256(p.maxLossBps) << 160)
                    | (uint256(p.dailyLossBps) << 176) | (uint256(p.maxGapBps) << 192)
                    | (uint256(p.guardianLossBps) << 208) | (uint256(p.emergencyLossBps) << 224)
                    | (uint256(p.ripcordLossBps) << 240)
            )
        );
    }

    function unpack(PackedHealths h, PackedLimits l) internal pure returns (Policy memory) {
        return Policy({
            minHealth: uint64(h.minHealth()),
            emergencyHealth: uint64(h.emergencyHealth()),
            targetHealth: uint64(h.targetHealth()),
            ripcordHealth: uint64(h.ripcordHealth()),
            maxLeverage: uint64(l.maxLeverage()),
            minInterval: uint32(l.minInterval()),
            ripcordInterval: uint32(l.ripcordInterval()),
            maxLossBps: uint16(l.maxLossBps()),
            dailyLossBps: uint16(l.dailyLossBps()),
            dailyTurnoverBps: uint32(l.dailyTurnoverBps()),
            maxGapBps: uint16(l.maxGapBps()),
            guardianLossBps: uint16(l.guardianLossBps()),
            emergencyLossBps: uint16(l.emergencyLossBps()),
            ripcordLossBps: uint16(l.ripcordLossBps())
        });
    }

    function minHealth(PackedHealths h) internal pure returns (uint256) {
        return uint64(PackedHealths.unwrap(h));
    }

    function emergencyHealth(PackedHealths h) internal pure returns (uint256) {
        return uint64(PackedHealths.unwrap(h) >> 64);
    }

    function targetHealth(PackedHealths h) internal pure returns (uint256) {
        return uint64(PackedHealths.unwrap(h) >> 128);
    }

    function ripcordHealth(PackedHealths h) internal pure returns (uint256) {
        return uint64(PackedHealths.unwrap(h) >> 192);
    }

    function maxLeverage(PackedLimits l) internal pure returns (uint256) {
        return uint64(PackedLimits.unwrap(l));
    }

    function minInterval(PackedLimits l) internal pure returns (uint256) {
        return uint32(PackedLimits.unwrap(l) >> 64);
    }

    function ripcordInterval(PackedLimits l) internal pure returns (uint256) {
        return uint32(PackedLimits.unwrap(l) >> 96);
    }

    function dailyTurnoverBps(PackedLimits l) internal pure returns (uint256) {
        return uint32(PackedLimits.unwrap(l) >> 128);
    }

    function maxLossBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 160);
    }

    function dailyLossBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 176);
    }

    function maxGapBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 192);
    }

    function guardianLossBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 208);
    }

    function emergencyLossBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 224);
    }

    function ripcordLossBps(PackedLimits l) internal pure returns (uint256) {
        return uint16(PackedLimits.unwrap(l) >> 240);
    }
}
