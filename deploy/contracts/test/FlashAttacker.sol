// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";

/// @notice A stranger who makes the lending pool call a vault back inside a flash loan of the stranger's.
contract FlashAttacker {
    function attack(IPool pool, address vault, address token, uint256 amount, bytes calldata params) external {
        pool.flashLoanSimple(vault, token, amount, params, 0);
    }
}
