// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice What a contract answers to a question about an address with one word, as `balanceOf` does. A call of the vault
/// asks thirty such questions, and each costs a third of what the compiler makes of it.
library Answers {
    error NoAnswer(address from, bytes4 question);

    /// @dev Reverts as a call by the compiler's code would: where nobody is there, on a revert, on a short answer.
    function ask(address from, bytes4 question, address about) internal view returns (uint256 word) {
        bool answered;
        assembly ("memory-safe") {
            mstore(0, question)
            mstore(4, about)
            // The call is made before its answer's size is read: arguments are evaluated from the last on.
            answered := and(gt(returndatasize(), 31), staticcall(gas(), from, 0, 36, 0, 32))
            word := mload(0)
        }
        if (!answered) revert NoAnswer(from, question);
    }

    /// @return answered False where nobody is there, on a revert, on a short answer.
    /// @return word 0 where not answered.
    function tryAsk(address from, bytes4 question, address about)
        internal
        view
        returns (bool answered, uint256 word)
    {
        assembly ("memory-safe") {
            mstore(0, question)
            mstore(4, about)
            answered := and(gt(returndatasize(), 31), staticcall(gas(), from, 0, 36, 0, 32))
            word := mul(answered, mload(0))
        }
    }
}
