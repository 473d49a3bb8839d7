// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {
    IERC7540Deposit,
    IERC7540Operator,
    IERC7540Redeem,
    IERC7575,
    IERC7575Share
} from "./interfaces/IERC7540.sol";
import {Claim, Queue, Request, RequestQueue} from "./RequestQueue.sol";

/// @title What ERC-7540 asks of shares once a request is settled: operators, claims and views.
/// @notice How requests are made and priced is the vault's: see VaultShares.
abstract contract AsyncShares is
    ERC20,
    IERC7540Deposit,
    IERC7540Redeem,
    IERC7540Operator,
    IERC7575,
    IERC7575Share,
    IERC165
{
    using SafeERC20 for IERC20;
    using RequestQueue for Queue;

    uint8 private constant SHARE_DECIMALS_MORE = 6;

    error NotOperator(address caller, address controller);
    error AsyncPreview();

    address public immutable asset;
    uint8 private immutable DECIMALS;

    mapping(address controller => mapping(address operator => bool)) public isOperator;
    Queue internal _deposits;
    Queue internal _redemptions;

    constructor(string memory name_, string memory symbol_, address asset_) ERC20(name_, symbol_) {
        asset = asset_;
        DECIMALS = IERC20Metadata(asset_).decimals() + SHARE_DECIMALS_MORE;
    }

    // ---------------------------------------------------------------- operators

    function setOperator(address operator, bool approved) external returns (bool) {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
        return true;
    }

    // ---------------------------------------------------------------- claims

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        return deposit(assets, receiver, msg.sender);
    }

    function deposit(uint256 assets, address receiver, address controller)
        public
        returns (uint256 shares)
    {
        _requireOperator(controller);
        shares = _deposits.claimInput(controller, assets);
        _claimShares(assets, shares, receiver, controller);
    }

    function mint(uint256 shares, address receiver) external returns (uint256 assets) {
        return mint(shares, receiver, msg.sender);
    }

    function mint(uint256 shares, address receiver, address controller)
        public
        returns (uint256 assets)
    {
        _requireOperator(controller);
        assets = _deposits.claimOutput(controller, shares);
        _claimShares(assets, shares, receiver, controller);
    }

    function redeem(uint256 shares, address receiver, address controller)
        external
        returns (uint256 assets)
    {
        _requireOperator(controller);
        assets = _redemptions.claimInput(controller, shares);
        _claimAssets(assets, shares, receiver, controller);
    }

    function withdraw(uint256 assets, address receiver, address controller)
        external
        returns (uint256 shares)
    {
        _requireOperator(controller);
        shares = _redemptions.claimOutput(controller, assets);
        _claimAssets(assets, shares, receiver, controller);
    }

    // ---------------------------------------------------------------- views

    function share() external view returns (address) {
        return address(this);
    }

    function vault(address asset_) external view returns (address) {
        return asset_ == asset ? address(this) : address(0);
    }

    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    function pendingDepositRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _pending(_deposits, requestId, controller);
    }

    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _pending(_redemptions, requestId, controller);
    }

    /// @dev Claims of settled batches are fungible for their controller: the same answer for each id that was settled.
    function claimableDepositRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _deposits.batches[requestId].settled ? maxDeposit(controller) : 0;
    }

    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return _redemptions.batches[requestId].settled ? maxRedeem(controller) : 0;
    }

    function maxDeposit(address controller) public view returns (uint256) {
        (, Claim memory c) = _deposits.rolled(controller);
        return c.input;
    }

    function maxMint(address controller) external view returns (uint256) {
        (, Claim memory c) = _deposits.rolled(controller);
        return c.output;
    }

    function maxRedeem(address controller) public view returns (uint256) {
        (, Claim memory c) = _redemptions.rolled(controller);
        return c.input;
    }

    function maxWithdraw(address controller) external view returns (uint256) {
        (, Claim memory c) = _redemptions.rolled(controller);
        return c.output;
    }

    /// @dev ERC-7540: the price of a request is not known when it is made.
    function previewDeposit(uint256) external pure returns (uint256) {
        revert AsyncPreview();
    }

    function previewMint(uint256) external pure returns (uint256) {
        revert AsyncPreview();
    }

    function previewWithdraw(uint256) external pure returns (uint256) {
        revert AsyncPreview();
    }

    function previewRedeem(uint256) external pure returns (uint256) {
        revert AsyncPreview();
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IERC7540Operator).interfaceId
            || id == type(IERC7540Deposit).interfaceId || id == type(IERC7540Redeem).interfaceId
            || id == type(IERC7575).interfaceId || id == type(IERC7575Share).interfaceId;
    }

    // ---------------------------------------------------------------- internal

    function _claimShares(uint256 assets, uint256 shares, address receiver, address controller) private {
        _transfer(address(this), receiver, shares);
        emit Deposit(controller, receiver, assets, shares);
    }

    function _claimAssets(uint256 assets, uint256 shares, address receiver, address controller) private {
        IERC20(asset).safeTransfer(receiver, assets);
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
    }

    function _pending(Queue storage q, uint256 id, address controller) private view returns (uint256) {
        (Request memory r,) = q.rolled(controller);
        return r.batch == id ? r.amount : 0;
    }

    function _requireOperator(address controller) internal view {
        if (msg.sender != controller && !isOperator[controller][msg.sender]) {
            revert NotOperator(msg.sender, controller);
        }
    }
}
