// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice Stands at the OP stack's predeploy. A fixed price per byte, the signature's 68 bytes added as there.
contract FixedGasPriceOracle {
    uint256 private _weiPerByte;

    function getL1FeeUpperBound(uint256 unsignedSize) external view returns (uint256) {
        return (unsignedSize + 68) * _weiPerByte * 2;
    }

    function getL1Fee(bytes calldata unsignedTransaction) external view returns (uint256) {
        require(unsignedTransaction[0] == 0x02, "not an EIP-1559 transaction");
        return (unsignedTransaction.length + 68) * _weiPerByte;
    }
}

/// @notice As above, on a chain whose operator takes a fee.
contract FixedGasPriceOracleWithOperator {
    uint256 private _weiPerByte;

    function getL1FeeUpperBound(uint256 unsignedSize) external view returns (uint256) {
        return (unsignedSize + 68) * _weiPerByte * 2;
    }

    function getL1Fee(bytes calldata unsignedTransaction) external view returns (uint256) {
        return (unsignedTransaction.length + 68) * _weiPerByte;
    }

    function getOperatorFee(uint256 gasUsed) external pure returns (uint256) {
        return gasUsed * 3 + 7;
    }
}

/// @notice Stands at Arbitrum's precompile.
contract FixedArbGasInfo {
    uint256 private _l1BaseFee;

    function getL1BaseFeeEstimate() external view returns (uint256) {
        return _l1BaseFee;
    }
}

/// @notice Stands where Arbitrum's nodes answer. Like them it takes the caller for the sender, and no contract's call.
contract FixedNodeInterface {
    uint64 public constant OTHER_GAS = 4_000_000;

    function gasEstimateComponents(address, bool contractCreation, bytes calldata data)
        external
        payable
        returns (uint64 gasEstimate, uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate)
    {
        require(msg.sender == tx.origin && !contractCreation, "only asked from outside");
        gasEstimateForL1 = uint64(data.length) * 10;
        return (OTHER_GAS + gasEstimateForL1, gasEstimateForL1, block.basefee, 0);
    }
}
