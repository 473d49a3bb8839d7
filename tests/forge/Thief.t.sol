// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ThiefSearch} from "./support/ThiefSearch.sol";

// Assets: 0 WETH, 1 WBTC, 2 LINK. Truths: 0 under the feeds, 1 at them, 2 above. Waits: 0 none, 3 and 4 a call's
// intervals, 5 an hour, 6 four hours, 7 eight. Callers: 0 keeper, 1 guardian, 2 stranger.

/// @notice The keeper's key, a healthy vault.
contract ThiefWithTheKeyTest is ThiefSearch {
    function name() internal pure override returns (string memory) {
        return "key";
    }

    function open() internal override {}

    function keys() internal pure override returns (uint256) {
        return KEEPERS | STRANGERS;
    }

    function limit() internal pure override returns (uint256) {
        return uint256(policyByDefault().dailyLossBps) * 1e5;
    }

    /// @dev Own pools and dumps at once, then washes by the hour; selling at the feeds' lag; the emergency's dumps.
    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](3);
        plans[0] = bytes.concat(
            times(8, action(OWN_POOL, 2, 31, 100, 1, 0, 0)),
            times(8, action(LOWER, 2, 31, 90, 2, 0, 0)),
            times(16, action(SELL, 2, 5, 60, 2, 5, 0))
        );
        plans[1] = times(32, action(SELL, 0, 128, 0, 2, 3, 0));
        plans[2] = times(32, action(LOWER, 2, 16, 90, 2, 5, 0));
    }
}

/// @notice The keeper's key while the vault is paused, for 48 hours.
contract ThiefInAPauseTest is ThiefSearch {
    function name() internal pure override returns (string memory) {
        return "paused";
    }

    function open() internal override {
        vm.prank(GUARDIAN);
        registry.pause();
    }

    function keys() internal pure override returns (uint256) {
        return KEEPERS | STRANGERS;
    }

    function limit() internal pure override returns (uint256) {
        return uint256(policyByDefault().dailyLossBps) * 1e5;
    }

    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](1);
        plans[0] = times(24, bytes.concat(action(LOWER, 2, 16, 90, 2, 5, 0), action(LOWER, 0, 16, 90, 2, 5, 0)));
    }
}

/// @notice The guardian alone.
contract ThiefWithTheGuardiansKeyTest is ThiefSearch {
    function name() internal pure override returns (string memory) {
        return "guardian";
    }

    function open() internal override {}

    function keys() internal pure override returns (uint256) {
        return GUARDIANS;
    }

    function limit() internal pure override returns (uint256) {
        return uint256(policyByDefault().guardianLossBps) * 1e5;
    }

    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](1);
        plans[0] = bytes.concat(
            times(8, action(OWN_POOL, 2, 31, 100, 1, 0, 1)), times(24, action(LOWER, 2, 4, 80, 2, 5, 1))
        );
    }
}

/// @notice Every key but the admin's, in an emergency.
contract ThiefInAnEmergencyTest is ThiefSearch {
    function name() internal pure virtual override returns (string memory) {
        return "emergency";
    }

    function open() internal virtual override {
        crashTo(1.22e18);
    }

    function keys() internal pure override returns (uint256) {
        return KEEPERS | GUARDIANS | STRANGERS;
    }

    function limit() internal pure override returns (uint256) {
        return 50_000_000;
    }

    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](2);
        plans[0] = times(32, action(LOWER, 0, 64, 60, 2, 5, 0));
        plans[1] = times(16, bytes.concat(action(LOWER, 2, 51, 35, 2, 4, 2), action(LOWER, 1, 16, 35, 2, 3, 0)));
    }
}

/// @notice The same at the brink of liquidation, from the highest leverage.
contract ThiefAtTheBrinkTest is ThiefInAnEmergencyTest {
    function name() internal pure override returns (string memory) {
        return "brink";
    }

    function open() internal override {
        for (uint256 i = 0; i < 2; i++) {
            borrow(0, 12_000 * USDC);
            sell("USDC", PREVIOUS, m.poolOf("WETH", "USDC", 500));
            supply(0, "WETH", PREVIOUS);
            tryRebalance(0);
            wait_(1 days + 8 hours);
        }
        crashTo(1.03e18);
    }
}

/// @notice Every key but the admin's, in a market that falls by 0.7 percent an hour.
contract ThiefInAFallTest is ThiefInAnEmergencyTest {
    function name() internal pure override returns (string memory) {
        return "fall";
    }

    function open() internal override {}

    function pass(uint256 time) internal override {
        wait_(time);
        m.moveAll(1e18 - 0.007e18 * time / 1 hours);
        alignPools();
    }
}

/// @notice A stranger's ripcord.
contract ThiefWithTheRipcordTest is ThiefSearch {
    function name() internal pure override returns (string memory) {
        return "ripcord";
    }

    function open() internal override {
        crashTo(1.14e18);
    }

    function keys() internal pure override returns (uint256) {
        return STRANGERS;
    }

    function limit() internal pure override returns (uint256) {
        return 50_000_000;
    }

    function score(Take memory t) internal pure override returns (uint256) {
        return t.ofRepaid + t.worstDay / 1_000;
    }

    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](1);
        plans[0] = bytes.concat(
            times(2, action(OWN_POOL, 2, 51, 100, 1, 4, 2)), times(30, action(LOWER, 2, 51, 40, 2, 4, 2))
        );
    }
}

/// @notice The keeper's key, when LINK's feed has stopped at 60 percent of its price and Aave reads another.
contract ThiefWithADeadFeedTest is ThiefSearch {
    function name() internal pure override returns (string memory) {
        return "dead-feed";
    }

    function open() internal override {
        uint256 price = m.price("LINK");
        m.setSource("LINK", address(new RightSource(int256(price))));
        vm.mockCall(
            m.feed("LINK"), abi.encodeWithSignature("latestRoundData()"), abi.encode(1, price * 6 / 10, 1, 1, 1)
        );
    }

    function keys() internal pure override returns (uint256) {
        return KEEPERS | STRANGERS;
    }

    function limit() internal pure override returns (uint256) {
        return uint256(policyByDefault().dailyLossBps) * 1e5;
    }

    function audits() internal pure override returns (bytes[] memory plans) {
        plans = new bytes[](1);
        plans[0] = times(32, action(LOWER, 2, 256, 120, 1, 0, 0));
    }
}

contract RightSource {
    int256 private immutable ANSWER;

    constructor(int256 answer) {
        ANSWER = answer;
    }

    function latestAnswer() external view returns (int256) {
        return ANSWER;
    }
}
