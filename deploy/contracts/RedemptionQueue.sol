// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC7540Operator, IERC7540Redeem, IRedemptionQueue} from "./IRedemptionQueue.sol";

/// @title A line for redemptions that are larger than what lies idle in the vault.
/// @notice First in, first out, at the share price of the moment of serving. Nobody owns it and nothing in it can be
/// changed. Requests cannot be taken back: a line that can be left is an option on the share price.
/// @dev The books count only what came in through requestRedeem and serve: shares or assets sent here besides are
/// nobody's. Rounding is against the redeemer, at most one raw unit of the asset for each part of a request served.
contract RedemptionQueue is IRedemptionQueue, ReentrancyGuard {
    using Math for uint256;
    using SafeERC20 for IERC20;

    /// @notice A request is served at the earliest so many seconds after it was made: a price that is about to be
    /// published is old news by then.
    uint256 public constant DELAY = 1 hours;
    /// @dev Whole units of the asset. Less is not queued, nor is a smaller part of a request served.
    uint256 private constant LEAST_UNITS = 10;
    /// @dev ERC-7540: with 0 for all of them, requests are told apart by their controller alone.
    uint256 private constant REQUEST_ID = 0;

    struct Ticket {
        address controller;
        uint64 since;
        uint256 shares;
    }

    struct Claim {
        uint256 shares;
        uint256 assets;
    }

    IERC4626 private immutable VAULT;
    IERC20 private immutable ASSET;
    uint256 private immutable LEAST_ASSETS;

    uint256 public pendingShares;
    /// @notice The next ticket to be served, and the next to be given.
    uint256 public head;
    uint256 public tail;
    mapping(uint256 ticket => Ticket) private _tickets;
    mapping(address controller => uint256 shares) private _pending;
    mapping(address controller => Claim) private _claims;
    mapping(address controller => mapping(address operator => bool)) public isOperator;

    constructor(IERC4626 vault_) {
        VAULT = vault_;
        ASSET = IERC20(vault_.asset());
        LEAST_ASSETS = LEAST_UNITS * 10 ** IERC20Metadata(address(ASSET)).decimals();
    }

    // ------------------------------------------------------------- the line

    /// @dev An ERC-20 allowance to the caller does not suffice, as this contract could not use it up: who has one moves
    /// the shares first. The queue's own allowance is the owner's word that it may take the shares.
    function requestRedeem(uint256 shares, address controller, address owner)
        external
        nonReentrant
        returns (uint256)
    {
        _requireSelfOrOperator(owner);
        if (controller == address(0)) revert NoController();
        uint256 worth = VAULT.convertToAssets(shares);
        if (worth < LEAST_ASSETS) revert TooSmall(worth, LEAST_ASSETS);
        uint256 ticket = tail++;
        _tickets[ticket] = Ticket(controller, uint64(block.timestamp), shares);
        _pending[controller] += shares;
        pendingShares += shares;
        emit RedeemRequest(controller, owner, REQUEST_ID, msg.sender, shares);
        emit Queued(ticket, controller, shares);
        IERC20(address(VAULT)).safeTransferFrom(owner, address(this), shares);
        return REQUEST_ID;
    }

    /// @dev All parts of one call have one price. The line moves on before the vault is called.
    function serve(uint256 maxRequests) external nonReentrant returns (uint256 shares, uint256 assets) {
        uint256 room = VAULT.maxRedeem(address(this));
        if (room == 0 || head == tail) return (0, 0);
        uint256 first = head;
        uint256 count = Math.min(maxRequests, tail - first);
        uint256[] memory parts = new uint256[](count);
        (shares, count) = _take(first, count, Math.min(room, pendingShares), parts);
        if (shares == 0) return (0, 0);
        pendingShares -= shares;

        assets = VAULT.redeem(shares, address(this), address(this));
        if (assets == 0) revert NothingToPay(); // a vault that is worth nothing: its shares may yet be
        for (uint256 i = 0; i < count; i++) {
            _credit(first + i, parts[i], parts[i].mulDiv(assets, shares));
        }
    }

    /// @return shares Of all parts together.
    /// @return count Of tickets that get something.
    function _take(uint256 first, uint256 most, uint256 room, uint256[] memory parts)
        private
        returns (uint256 shares, uint256 count)
    {
        uint256 leastPart = VAULT.convertToShares(LEAST_ASSETS);
        while (count < most && shares < room) {
            Ticket storage ticket = _tickets[first + count];
            if (block.timestamp < ticket.since + DELAY) break;
            uint256 part = Math.min(ticket.shares, room - shares);
            if (part < ticket.shares && part < leastPart) break;
            ticket.shares -= part;
            if (ticket.shares == 0) head++;
            parts[count++] = part;
            shares += part;
        }
    }

    function _credit(uint256 ticket, uint256 shares, uint256 assets) private {
        address controller = _tickets[ticket].controller;
        Claim storage claim = _claims[controller];
        _pending[controller] -= shares;
        claim.shares += shares;
        claim.assets += assets;
        emit Served(ticket, controller, shares, assets);
    }

    // ------------------------------------------------------------ the claims

    function redeem(uint256 shares, address receiver, address controller)
        external
        nonReentrant
        returns (uint256 assets)
    {
        Claim storage claim = _claims[controller];
        if (shares == 0 || shares > claim.shares) revert MoreThanClaimable(shares, claim.shares);
        assets = shares.mulDiv(claim.assets, claim.shares);
        _pay(assets, shares, receiver, controller);
    }

    function withdraw(uint256 assets, address receiver, address controller)
        external
        nonReentrant
        returns (uint256 shares)
    {
        Claim storage claim = _claims[controller];
        if (assets == 0 || assets > claim.assets) revert MoreThanClaimable(assets, claim.assets);
        shares = assets.mulDiv(claim.shares, claim.assets, Math.Rounding.Ceil);
        _pay(assets, shares, receiver, controller);
    }

    function _pay(uint256 assets, uint256 shares, address receiver, address controller) private {
        _requireSelfOrOperator(controller);
        _claims[controller].shares -= shares;
        _claims[controller].assets -= assets;
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
        ASSET.safeTransfer(receiver, assets);
    }

    function setOperator(address operator, bool approved) external returns (bool) {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
        return true;
    }

    function _requireSelfOrOperator(address account) private view {
        if (msg.sender != account && !isOperator[account][msg.sender]) revert NotOperator(account, msg.sender);
    }

    // ----------------------------------------------------------------- views

    function pendingRedeemRequest(uint256, address controller) external view returns (uint256 shares) {
        return _pending[controller];
    }

    function claimableRedeemRequest(uint256, address controller) external view returns (uint256 shares) {
        return _claims[controller].shares;
    }

    function maxRedeem(address controller) external view returns (uint256 shares) {
        return _claims[controller].shares;
    }

    function maxWithdraw(address controller) external view returns (uint256 assets) {
        return _claims[controller].assets;
    }

    function pendingSince() external view returns (uint256 timestamp) {
        return head == tail ? 0 : _tickets[head].since;
    }

    function ticketAt(uint256 ticket) external view returns (address controller, uint256 since, uint256 shares) {
        Ticket storage found = _tickets[ticket];
        return (found.controller, found.since, found.shares);
    }

    function leastAssets() external view returns (uint256) {
        return LEAST_ASSETS;
    }

    function vault() external view returns (address) {
        return address(VAULT);
    }

    function asset() external view returns (address) {
        return address(ASSET);
    }

    function share() external view returns (address) {
        return address(VAULT);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC7540Redeem).interfaceId || id == type(IERC7540Operator).interfaceId
            || id == type(IERC165).interfaceId;
    }
}
