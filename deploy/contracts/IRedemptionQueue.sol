// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @notice ERC-7540, operators. Interface id 0xe3bc4e65.
interface IERC7540Operator {
    event OperatorSet(address indexed controller, address indexed operator, bool approved);

    function setOperator(address operator, bool approved) external returns (bool);
    function isOperator(address controller, address operator) external view returns (bool);
}

/// @notice ERC-7540, asynchronous redemption. Interface id 0x620ee8e4.
interface IERC7540Redeem {
    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId);
    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256 shares);
    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256 shares);
}

/// @title What depositors, anybody and the keeper may ask of the queue.
/// @notice Shares are the vault's, assets raw units of its accounting asset, times Unix seconds. requestId is always 0:
/// ERC-7540 then tells requests apart by their controller. The place in the line is the ticket's number.
interface IRedemptionQueue is IERC7540Redeem, IERC7540Operator, IERC165 {
    /// @notice Anybody. Pays matured requests, the oldest first, out of the vault's idle cash into claimable balances;
    /// the last of them in part where the cash ends there. Looks at no more than maxRequests.
    function serve(uint256 maxRequests) external returns (uint256 shares, uint256 assets);

    /// @notice The controller or its operator: pays out what was served.
    function redeem(uint256 shares, address receiver, address controller) external returns (uint256 assets);
    function withdraw(uint256 assets, address receiver, address controller) external returns (uint256 shares);

    function maxRedeem(address controller) external view returns (uint256 shares);
    function maxWithdraw(address controller) external view returns (uint256 assets);
    function pendingShares() external view returns (uint256);
    function pendingSince() external view returns (uint256 timestamp); // of the oldest request; 0: nobody waits
    function head() external view returns (uint256 ticket);
    function tail() external view returns (uint256 ticket);
    function ticketAt(uint256 ticket) external view returns (address controller, uint256 since, uint256 shares);
    function leastAssets() external view returns (uint256);
    function vault() external view returns (address);
    function asset() external view returns (address);
    function share() external view returns (address);

    event Queued(uint256 indexed ticket, address indexed controller, uint256 shares);
    event Served(uint256 indexed ticket, address indexed controller, uint256 shares, uint256 assets);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    error NotOperator(address account, address caller);
    error NoController();
    error TooSmall(uint256 assets, uint256 leastAssets);
    error MoreThanClaimable(uint256 asked, uint256 claimable);
    error NothingToPay();
}
