// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "./interfaces/IPortfolio.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {AsyncShares} from "./AsyncShares.sol";
import {Fees, Terms} from "./Fees.sol";
import {Batch, Queue, Request, RequestQueue} from "./RequestQueue.sol";
import {SharePricer} from "./SharePricer.sol";

/// @title Shares of the vault: ERC-20, and ERC-7540 with asynchronous deposits and redemptions.
/// @notice Requests are collected in batches. A batch is priced at the first moment when every feed that matters has
/// published after the batch closed: see SharePricer. Money of requests is kept here, apart from the vault's.
contract VaultShares is AsyncShares, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Math for uint256;
    using RequestQueue for Queue;

    uint256 private constant BPS = 10_000;
    /// @dev After this long a request that nobody could settle may be taken back.
    uint256 private constant STUCK = 3 days;
    /// @dev Of what the line needs, so that nobody can cut a batch into crumbs.
    uint256 private constant LEAST_FILL_BPS = 1_000;
    /// @dev Virtual shares per unit of the asset: who inflates the price gives a millionfold of what they can take.
    uint256 private constant VIRTUAL = 1e6;

    event TermsChanged(Terms terms);
    event DepositorAllowed(address indexed depositor, bool allowed);
    event BatchesClosed(uint256 depositBatch, uint256 redeemBatch);
    event DepositsSettled(uint256 indexed batch, uint256 assets, uint256 shares);
    event RedemptionsSettled(uint256 indexed batch, uint256 shares, uint256 assets, uint256 sharesLeft);
    event RequestCancelled(address indexed controller, bool deposit, uint256 amount);
    event FeesAccrued(uint256 shares);
    event LeftInKind(address indexed owner, address indexed receiver, uint256 shares);

    error NotAllowed(address caller);
    error DepositCapReached(uint256 wanted, uint256 cap);
    error TooEarly(uint256 notBefore);
    error Paused();
    error Ruined();
    error NotEnoughCash(uint256 cash, uint256 needed);
    error ZeroAmount();

    IPolicyRegistry public immutable REGISTRY;
    IPortfolio public immutable PORTFOLIO;
    SharePricer public immutable PRICER;
    /// @notice Seconds between two closings.
    uint256 public immutable INTERVAL;

    Terms public terms;
    mapping(address depositor => bool) public allowed;
    uint32 private _lastBatch;
    uint64 private _lastClose;
    uint64 private _accruedAt;
    /// @dev Highest price of a whole share so far, 1e18 per raw unit of the asset.
    uint256 private _highWater;

    constructor(
        string memory name_,
        string memory symbol_,
        address asset_,
        IPolicyRegistry registry,
        IPortfolio portfolio,
        SharePricer pricer,
        uint256 interval,
        Terms memory terms_
    ) AsyncShares(name_, symbol_, asset_) {
        (REGISTRY, PORTFOLIO, PRICER, INTERVAL) = (registry, portfolio, pricer, interval);
        _deposits.start(1);
        _redemptions.start(2);
        _lastBatch = 2;
        _accruedAt = uint64(block.timestamp);
        _setTerms(terms_);
    }

    // ---------------------------------------------------------------- admin and operations

    function setTerms(Terms calldata newTerms) external {
        REGISTRY.requireAdmin(msg.sender);
        _accrue(PRICER.fair());
        _setTerms(newTerms);
    }

    /// @notice Operations or admin. A lower cap needs no timelock.
    function lowerCap(uint128 cap) external {
        _requireOperations();
        if (cap > terms.cap) revert Fees.TermsOutOfBounds("cap");
        terms.cap = cap;
        emit TermsChanged(terms);
    }

    function allow(address depositor, bool isAllowed) external {
        _requireOperations();
        allowed[depositor] = isAllowed;
        emit DepositorAllowed(depositor, isAllowed);
    }

    // ---------------------------------------------------------------- requests

    function requestDeposit(uint256 assets, address controller, address owner)
        external
        returns (uint256 requestId)
    {
        _requireOperator(owner);
        _requireControllable(controller, owner);
        if (assets == 0) revert ZeroAmount();
        if (REGISTRY.paused()) revert Paused();
        if (terms.allowedOnly && !allowed[owner]) revert NotAllowed(owner);
        uint256 wanted = totalAssets() + _deposits.pending + assets;
        if (wanted > terms.cap) revert DepositCapReached(wanted, terms.cap);
        requestId = _deposits.add(controller, assets);
        IERC20(asset).safeTransferFrom(owner, address(this), assets);
        emit DepositRequest(controller, owner, requestId, msg.sender, assets);
    }

    /// @notice The owner's, an operator's, or whoever has the owner's ERC-20 allowance.
    function requestRedeem(uint256 shares, address controller, address owner)
        external
        returns (uint256 requestId)
    {
        if (shares == 0) revert ZeroAmount();
        if (msg.sender != owner && !isOperator[owner][msg.sender]) _spendAllowance(owner, msg.sender, shares);
        _requireControllable(controller, owner);
        _transfer(owner, address(this), shares);
        requestId = _redemptions.add(controller, shares);
        emit RedeemRequest(controller, owner, requestId, msg.sender, shares);
    }

    /// @notice While the batch is open, or when nobody could settle it for days, or when the vault is closed.
    function cancelDeposit(address controller) external returns (uint256 assets) {
        _requireOperator(controller);
        assets = _deposits.cancel(controller, _mayLeave(_deposits, controller));
        IERC20(asset).safeTransfer(controller, assets);
        emit RequestCancelled(controller, true, assets);
    }

    function cancelRedeem(address controller) external returns (uint256 shares) {
        _requireOperator(controller);
        shares = _redemptions.cancel(controller, _mayLeave(_redemptions, controller));
        _transfer(address(this), controller, shares);
        emit RequestCancelled(controller, false, shares);
    }

    // ---------------------------------------------------------------- settling, anybody's

    /// @notice Ends the collecting of both open batches. What comes later waits for the next.
    function close() external {
        if (block.timestamp < uint256(_lastClose) + INTERVAL) revert TooEarly(uint256(_lastClose) + INTERVAL);
        (uint32 d, uint32 r) = (_deposits.open, _redemptions.open);
        bool closedD = _deposits.close(_lastBatch + 1);
        bool closedR = _redemptions.close(_lastBatch + 2);
        if (!closedD && !closedR) revert RequestQueue.NothingClosed();
        _lastBatch += 2;
        _lastClose = uint64(block.timestamp);
        _reserve();
        emit BatchesClosed(closedD ? d : 0, closedR ? r : 0);
    }

    /// @notice Settles the oldest closed batch of deposits.
    /// @param hints Per asset of the registry, in its order.
    function settleDeposits(SharePricer.Hint[] calldata hints) external nonReentrant {
        if (REGISTRY.paused()) revert Paused();
        Batch memory b = _deposits.oldest();
        (uint256 present, uint256 total) = PRICER.settlement(b.closedAt, hints, true);
        _accrue(present);
        if (total == 0 && totalSupply() != 0) revert Ruined();
        uint256 shares = _lessSpread(uint256(b.requested).mulDiv(totalSupply() + VIRTUAL, total + 1));
        emit DepositsSettled(_deposits.head, b.requested, shares);
        _deposits.fill(b.requested, shares, 0);
        _mint(address(this), shares);
        IERC20(asset).forceApprove(address(PORTFOLIO), b.requested);
        PORTFOLIO.take(b.requested);
    }

    /// @notice Settles the oldest closed batch of redemptions, of which as much as the vault's cash pays. The rest
    /// stays first in the line.
    function settleRedemptions(SharePricer.Hint[] calldata hints) external nonReentrant {
        Batch memory b = _redemptions.oldest();
        (uint256 present, uint256 total) = PRICER.settlement(b.closedAt, hints, false);
        _accrue(present);
        if (total == 0) revert Ruined();
        uint256 filled = b.requested;
        uint256 assets = _lessSpread(filled.mulDiv(total + 1, totalSupply() + VIRTUAL));
        uint256 cash = PORTFOLIO.idle();
        if (assets > cash) {
            if (cash * BPS < assets * LEAST_FILL_BPS) revert NotEnoughCash(cash, assets);
            filled = filled.mulDiv(cash, assets);
            assets = _lessSpread(filled.mulDiv(total + 1, totalSupply() + VIRTUAL));
            _lastBatch++;
        }
        emit RedemptionsSettled(_redemptions.head, filled, assets, b.requested - filled);
        _redemptions.fill(filled, assets, _lastBatch);
        _burn(address(this), filled);
        PORTFOLIO.pay(address(this), assets);
        _reserve();
    }

    // ---------------------------------------------------------------- leaving in kind

    /// @notice Leaves with the owner's part of everything that is held of `tokens`, without prices, once the vault is
    /// closed: no debt, and paused or without a sign of keeper and admin.
    function exitInKind(uint256 shares, address receiver, address owner, address[] calldata tokens)
        external
        nonReentrant
    {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        uint256 whole = totalSupply();
        _burn(owner, shares);
        PORTFOLIO.payInKind(receiver, shares, whole, tokens);
        emit LeftInKind(owner, receiver, shares);
    }

    // ---------------------------------------------------------------- views

    /// @notice At the present prices, fair or not. It never reverts.
    function totalAssets() public view returns (uint256 assets) {
        (assets,) = PRICER.present();
    }

    function convertToShares(uint256 assets) external view returns (uint256) {
        return assets.mulDiv(totalSupply() + VIRTUAL, totalAssets() + 1);
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        return shares.mulDiv(totalAssets() + 1, totalSupply() + VIRTUAL);
    }

    /// @dev Of deposits and of redemptions: when the oldest batch that waits for settlement closed, 0 where none waits;
    /// and all that is requested and not settled.
    function line()
        external
        view
        returns (uint256 depositsClosedAt, uint256 redemptionsClosedAt, uint256 pendingAssets, uint256 pendingShares)
    {
        // The batch that collects has not closed, so where it is the oldest its time is 0.
        return (
            _deposits.batches[_deposits.head].closedAt,
            _redemptions.batches[_redemptions.head].closedAt,
            _deposits.pending,
            _redemptions.pending
        );
    }

    // ---------------------------------------------------------------- internal

    function _setTerms(Terms memory t) private {
        Fees.check(t);
        terms = t;
        emit TermsChanged(t);
    }

    /// @dev Before anybody's price is made, so that fees of the past fall on those who were there.
    function _accrue(uint256 total) private {
        uint256 fee;
        (fee, _highWater) = Fees.due(terms, totalSupply(), total, block.timestamp - _accruedAt, _highWater);
        _accruedAt = uint64(block.timestamp);
        if (fee == 0) return;
        _mint(terms.feeReceiver, fee);
        emit FeesAccrued(fee);
    }

    /// @dev What the line is owed at the present price; a rebalance may not spend cash that it needs.
    function _reserve() private {
        IRebalancer(REGISTRY.rebalancer()).reserve(convertToAssets(_redemptions.pending));
    }

    function _lessSpread(uint256 amount) private view returns (uint256) {
        return amount.mulDiv(BPS - terms.spreadBps, BPS);
    }

    /// @dev A closed request binds both sides, or it would be an option on the price. It may be left where nobody can
    /// settle it for days, which no depositor can bring about.
    function _mayLeave(Queue storage q, address controller) private view returns (bool) {
        (Request memory r,) = q.rolled(controller);
        uint256 closedAt = q.batches[r.batch].closedAt;
        if (closedAt == 0 || block.timestamp < closedAt + STUCK) return PORTFOLIO.closed();
        (, bool fair) = PRICER.present();
        return !fair || REGISTRY.paused() || PORTFOLIO.closed();
    }

    /// @dev A stranger's request in somebody's name would stand in the way of their own.
    function _requireControllable(address controller, address owner) private view {
        if (controller != owner) _requireOperator(controller);
    }

    function _requireOperations() private view {
        if (msg.sender != REGISTRY.operations()) REGISTRY.requireAdmin(msg.sender);
    }
}
