// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

/// @title Words kept as the code of a contract.
/// @notice A change writes a new page; a page never changes. Reading one costs one cold account instead of one cold slot
/// for each word. A page is a clone of nobody: whoever calls it gets nothing.
library Pages {
    function write(bytes memory words) internal returns (address page) {
        return Clones.cloneWithImmutableArgs(address(0), words);
    }

    function read(address page) internal view returns (uint256[] memory words) {
        bytes memory code = Clones.fetchCloneArgs(page);
        assembly ("memory-safe") {
            mstore(code, shr(5, mload(code)))
            words := code
        }
    }
}
