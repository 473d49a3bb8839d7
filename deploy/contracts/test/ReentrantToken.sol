// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls a victim back whenever it is transferred, and remembers what the victim said.
contract ReentrantToken is ERC20 {
    address private _victim;
    bytes private _call;
    bool public succeeded;
    bytes public answer;

    constructor() ERC20("Reentrant", "REENTER") {}

    function arm(address victim, bytes calldata call_) external {
        (_victim, _call, succeeded, answer) = (victim, call_, false, "");
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_victim != address(0)) (succeeded, answer) = _victim.call(_call);
    }
}
