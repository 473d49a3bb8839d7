// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice Reads a Uniswap V3 path: token, then (fee, token) once per hop; 20 + 23 n bytes.
library SwapPath {
    uint256 private constant TOKEN_BYTES = 20;
    uint256 private constant HOP_BYTES = 23;

    function wellFormed(bytes memory path) internal pure returns (bool) {
        return path.length >= TOKEN_BYTES + HOP_BYTES && (path.length - TOKEN_BYTES) % HOP_BYTES == 0;
    }

    /// @dev Of a well-formed path.
    function hops(bytes memory path) internal pure returns (uint256) {
        return (path.length - TOKEN_BYTES) / HOP_BYTES;
    }

    /// @dev index <= hops
    function tokenAt(bytes memory path, uint256 index) internal pure returns (address token) {
        uint256 offset = index * HOP_BYTES;
        assembly ("memory-safe") {
            token := shr(96, mload(add(add(path, 32), offset)))
        }
    }

    /// @dev index < hops
    function feeAt(bytes memory path, uint256 index) internal pure returns (uint24 fee) {
        uint256 offset = index * HOP_BYTES + TOKEN_BYTES;
        assembly ("memory-safe") {
            fee := shr(232, mload(add(add(path, 32), offset)))
        }
    }
}
