// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title Creates contracts for a Safe, whose queue takes plain calls and no creations.
/// @notice Its nonce counts the creations of its owner alone, so that their addresses are known before the first. It holds
/// nothing, and nothing that it has created is told of the owner.
contract SafeDeployer {
    address public immutable OWNER;

    error NotAllowed(address caller);

    /// @dev Also where the constructor's own reason was empty.
    error CreationFailed();
    error CallFailed(address to);

    /// @dev The nonce is not the one that the owner's calls were made for.
    error OtherAddress(address made, address expected);

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotAllowed(msg.sender);
        _;
    }

    constructor(address owner) {
        OWNER = owner;
    }

    /// @param expected Where the code is to be. A queue that is carried out in another order, or that was made twice,
    /// reverts here, so that no contract is wired to another than the one that was meant.
    function create(bytes memory code, address expected) external onlyOwner returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        if (made == address(0)) {
            _passOn();
            revert CreationFailed();
        }
        if (made != expected) revert OtherAddress(made, expected);
    }

    /// @notice The set-up of what it has created, which asks for the creator.
    function call(address to, bytes calldata data) external onlyOwner {
        if (to.code.length == 0) revert CallFailed(to);
        (bool done,) = to.call(data);
        if (!done) {
            _passOn();
            revert CallFailed(to);
        }
    }

    /// @dev Reverts with the reason of the last call or creation, if it gave one.
    function _passOn() private pure {
        assembly ("memory-safe") {
            if returndatasize() {
                let reason := mload(0x40)
                returndatacopy(reason, 0, returndatasize())
                revert(reason, returndatasize())
            }
        }
    }
}
