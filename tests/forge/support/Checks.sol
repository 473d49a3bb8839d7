// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Vm} from "./Vm.sol";

/// @notice Assertions with the numbers in the message, and lines for the reader of a verbose run.
abstract contract Checks {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;

    error Failed(string what, uint256 left, uint256 right);

    function check(bool condition, string memory what) internal pure {
        if (!condition) revert Failed(what, 0, 0);
    }

    function eq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert Failed(what, left, right);
    }

    function eq(address left, address right, string memory what) internal pure {
        if (left != right) revert Failed(what, uint160(left), uint160(right));
    }

    function atMost(uint256 left, uint256 right, string memory what) internal pure {
        if (left > right) revert Failed(what, left, right);
    }

    function atLeast(uint256 left, uint256 right, string memory what) internal pure {
        if (left < right) revert Failed(what, left, right);
    }

    function within(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    function say(string memory what, uint256 number) internal view {
        (bool told,) = CONSOLE.staticcall(abi.encodeWithSignature("log(string,uint256)", what, number));
        told;
    }

    function say(string memory what, int256 number) internal view {
        (bool told,) = CONSOLE.staticcall(abi.encodeWithSignature("log(string,int256)", what, number));
        told;
    }
}
