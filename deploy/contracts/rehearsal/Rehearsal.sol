// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title Runs the transactions of a deployment in one call.
/// @notice It is deployed nowhere. An `eth_call` puts its code in the place of the deployer's account, so that what it
/// creates gets the addresses that the deployer's transactions will get, and sees the deployer as its caller.
contract Rehearsal {
    struct Transaction {
        address to; //  address(0) where `data` creates a contract
        bytes data;
    }

    error TransactionReverted(uint256 index, bytes reason);

    /// @return gas What each transaction uses, without what a transaction costs before it runs.
    function run(Transaction[] calldata transactions) external returns (uint256[] memory gas) {
        gas = new uint256[](transactions.length);
        for (uint256 i = 0; i < transactions.length; i++) {
            uint256 before = gasleft();
            (bool done, bytes memory answer) =
                transactions[i].to == address(0) ? _create(transactions[i].data) : transactions[i].to.call(transactions[i].data);
            if (!done) revert TransactionReverted(i, answer);
            gas[i] = before - gasleft();
        }
    }

    function _create(bytes memory code) private returns (bool done, bytes memory answer) {
        assembly ("memory-safe") {
            done := iszero(iszero(create(0, add(code, 32), mload(code))))
            if iszero(done) {
                answer := mload(0x40)
                mstore(answer, returndatasize())
                returndatacopy(add(answer, 32), 0, returndatasize())
                mstore(0x40, and(add(add(answer, returndatasize()), 63), not(31)))
            }
        }
    }
}
