// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token whose allowances cannot be taken back, and are not used up.
contract StickyToken is ERC20 {
    constructor() ERC20("Sticky", "STICKY") {}

    function _approve(address owner, address spender, uint256 value, bool emitEvent) internal override {
        if (value != 0) super._approve(owner, spender, value, emitEvent);
    }

    function _spendAllowance(address, address, uint256) internal override {}
}
