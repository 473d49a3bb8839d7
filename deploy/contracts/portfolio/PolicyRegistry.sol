// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Asset, IPolicyRegistry, Policy} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "./interfaces/IPortfolio.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {ListingChecks} from "./ListingChecks.sol";
import {PackedAssets} from "./PackedAssets.sol";
import {PackedPolicy} from "./PackedPolicy.sol";
import {PolicyBounds} from "./PolicyBounds.sol";
import {PackedPool, PolicyPage, PolicyPages} from "./PolicyPages.sol";
import {PriceBook} from "./PriceBook.sol";

interface ITimelock {
    function getMinDelay() external view returns (uint256);
}

/// @title Roles, numbers and lists.
/// @notice Loosening is the admin's, who is a timelock. Tightening, pausing and taking the keeper's key away are the
/// guardian's and operations' as well, at once. A new asset, feed, pool or account waits for a delay of its own after
/// the admin's proposal, so that holders can leave, and must agree with the venue when it takes effect.
contract PolicyRegistry is IPolicyRegistry {
    uint256 public constant MIN_TIMELOCK = 1 days;
    uint256 public constant LISTING_DELAY = 2 days;
    uint256 private constant MIN_SILENCE = 7 days;
    uint256 private constant MAX_SILENCE = 180 days;
    uint256 private constant MAX_ACCOUNTS = 8;
    /// @dev Those that were removed included: a page keeps them, so that they can still be sold into.
    uint256 private constant MAX_POOLS = 100;

    struct Roles {
        address admin;
        address keeper;
        address guardian;
        address operations;
    }

    struct SetUp {
        address portfolio;
        address rebalancer;
        address shares;
        PriceBook book;
        Asset[] assets;
        FeedListing[] feeds;
        address[] pools;
        address[] implementations;
        uint8[] categories;
        address sequencer;
        uint32 grace;
    }

    IUniswapV3Factory public immutable FACTORY;
    address private immutable DEPLOYER;
    uint256 public immutable silence;
    address public immutable admin;

    /// @notice Keeper, guardian, policy, assets, accounts and pools. Places in the lists never change.
    address public page;
    bool public paused;
    uint64 private _lastSeen;
    address public operations;

    address public portfolio;
    address public rebalancer;
    address public shares;
    PriceBook public book;
    mapping(bytes32 id => uint256 notBefore) public proposals;

    modifier onlyAdmin() {
        requireAdmin(msg.sender);
        _lastSeen = uint64(block.timestamp);
        _;
    }

    modifier onlyTighteners() {
        _requireTightener();
        _;
    }

    /// @param silence_ Seconds without a sign of keeper and admin after which anybody may wind the vault down.
    constructor(Roles memory roles, Policy memory policy_, IUniswapV3Factory factory, uint256 silence_) {
        _requireTimelock(roles.admin);
        admin = roles.admin;
        operations = roles.operations;
        if (silence_ < MIN_SILENCE || silence_ > MAX_SILENCE) revert PolicyOutOfBounds("silence");
        PolicyPage memory p;
        (p.keeper, p.guardian) = (roles.keeper, roles.guardian);
        _setPolicy(p, policy_);
        FACTORY = factory;
        DEPLOYER = msg.sender;
        silence = silence_;
        _lastSeen = uint64(block.timestamp);
    }

    /// @notice The deployer's one call, after which the deployer has no power. Every listing is checked as any later.
    function setUp(SetUp calldata s) external {
        if (msg.sender != DEPLOYER) revert NotAllowed(msg.sender);
        if (portfolio != address(0)) revert AlreadySetUp();
        portfolio = s.portfolio;
        rebalancer = s.rebalancer;
        shares = s.shares;
        book = s.book;
        if (s.book.REGISTRY() != address(this)) revert NotAllowed(address(s.book));
        if (IPortfolio(s.portfolio).REBALANCER() != s.rebalancer) revert NotAllowed(s.portfolio);
        PolicyPage memory p = _read();
        for (uint256 i = 0; i < s.implementations.length; i++) {
            _openAccount(p, s.implementations[i], s.categories[i]);
        }
        for (uint256 i = 0; i < s.assets.length; i++) {
            _listAsset(p, s.assets[i], s.feeds[i]);
            if (p.assets.length != i + 1) revert AssetRefused(s.assets[i].token, "duplicate");
        }
        for (uint256 i = 0; i < s.pools.length; i++) {
            _listPool(p, s.pools[i]);
        }
        _write(p);
        _remind();
        for (uint256 i = 0; i < s.categories.length; i++) {
            _setCategory(i, s.categories[i]);
        }
        s.book.setSequencer(s.sequencer, s.grace);
    }

    // ---------------------------------------------------------------- tightening, at once

    function pause() external onlyTighteners {
        _setPaused(true);
        emit Paused(msg.sender);
    }

    /// @notice Needs neither epoch nor price nor plan: a thief with the keeper's key cannot get in its way.
    function removeKeeper() external onlyTighteners {
        PolicyPage memory p = _read();
        p.keeper = address(0);
        _write(p);
        emit KeeperChanged(address(0));
    }

    /// @notice Only fields that cannot make an exit harder can be tightened without the admin.
    function tighten(Policy calldata numbers) external onlyTighteners {
        PolicyPage memory p = _read();
        PolicyBounds.requireTighter(PackedPolicy.unpack(p.healths, p.limits), numbers);
        _setPolicy(p, numbers);
        emit PolicyTightened(msg.sender, numbers);
    }

    function disableAsset(address token) external onlyTighteners {
        PolicyPage memory p = _read();
        uint256 place = p.placeOf(token);
        if (place == 0 || place == p.assets.length) revert AssetRefused(token, "token");
        p.setAsset(place, p.assets[place].disabled());
        _write(p);
        emit AssetDisabled(token, msg.sender);
    }

    function removePool(address pool_) external onlyTighteners {
        PolicyPage memory p = _read();
        uint256 place = p.placeOfPool(pool_);
        if (place == p.pools.length) revert PoolRefused(pool_, "pool");
        p.setPool(place, p.pools[place].unlisted());
        _write(p);
        emit PoolRemoved(pool_, msg.sender);
    }

    function cancelListing(bytes32 id) external onlyTighteners {
        delete proposals[id];
        emit ListingCancelled(id, msg.sender);
    }

    /// @notice Keeper or admin show that they are there. A guardian's word does not count: it could hold a paused vault
    /// shut for ever.
    function heartbeat() external {
        if (msg.sender != keeper() && msg.sender != admin) revert NotAllowed(msg.sender);
        _lastSeen = uint64(block.timestamp);
        emit Heartbeat(msg.sender);
    }

    // ---------------------------------------------------------------- loosening, the admin's

    function unpause() external onlyAdmin {
        _setPaused(false);
        emit Unpaused(msg.sender);
    }

    function setKeeper(address keeper_) external onlyAdmin {
        PolicyPage memory p = _read();
        p.keeper = keeper_;
        _write(p);
        emit KeeperChanged(keeper_);
    }

    function setGuardian(address guardian_) external onlyAdmin {
        PolicyPage memory p = _read();
        p.guardian = guardian_;
        _write(p);
        emit GuardianChanged(guardian_);
    }

    function setOperations(address operations_) external onlyAdmin {
        operations = operations_;
        _requireDistinct(_read());
        emit OperationsChanged(operations_);
    }

    function setPolicy(Policy calldata numbers) external onlyAdmin {
        _setPolicy(_read(), numbers);
        emit PolicyLoosened(numbers);
    }

    /// @param data abi.encode of (Asset, FeedListing), (pool), (implementation, category) or (feed, grace).
    function propose(Listing kind, bytes calldata data) external onlyAdmin returns (bytes32 id) {
        id = keccak256(abi.encode(kind, data));
        proposals[id] = block.timestamp + LISTING_DELAY;
        emit ListingProposed(id, kind, data, proposals[id]);
    }

    /// @notice Anybody, once the delay has passed.
    function activate(Listing kind, bytes calldata data) external {
        bytes32 id = keccak256(abi.encode(kind, data));
        uint256 notBefore = proposals[id];
        if (notBefore == 0) revert NotProposed(id);
        if (block.timestamp < notBefore) revert TooEarly(notBefore, block.timestamp);
        delete proposals[id];
        if (kind == Listing.Sequencer) {
            (address feed, uint32 grace) = abi.decode(data, (address, uint32));
            book.setSequencer(feed, grace);
            return;
        }
        PolicyPage memory p = _read();
        uint8 category = 0;
        if (kind == Listing.Asset) {
            (Asset memory asset, FeedListing memory feed) = abi.decode(data, (Asset, FeedListing));
            _listAsset(p, asset, feed);
        } else if (kind == Listing.Pool) {
            _listPool(p, abi.decode(data, (address)));
        } else {
            address implementation;
            (implementation, category) = abi.decode(data, (address, uint8));
            _openAccount(p, implementation, category);
        }
        _write(p);
        if (kind != Listing.Pool) _remind();
        _setCategory(p.accounts.length - 1, category);
    }

    // ---------------------------------------------------------------- views

    function keeper() public view returns (address) {
        return _read().keeper;
    }

    function guardian() public view returns (address) {
        return _read().guardian;
    }

    function requireAdmin(address account) public view {
        if (account != admin) revert NotAllowed(account);
        _requireTimelock(account);
    }

    function lastSeen() external view returns (uint256) {
        return _lastSeen;
    }

    function silentFrom(uint256 lastCall) external view returns (uint256) {
        return (lastCall > _lastSeen ? lastCall : _lastSeen) + silence;
    }

    function policy() external view returns (Policy memory) {
        PolicyPage memory p = _read();
        return PackedPolicy.unpack(p.healths, p.limits);
    }

    function assets() external view returns (Asset[] memory) {
        return PackedAssets.unpackAll(_read().assets);
    }

    function accounts() external view returns (address[] memory) {
        return _read().accounts;
    }

    function pool(address at) external view returns (PoolListing memory listing) {
        PolicyPage memory p = _read();
        uint256 place = p.placeOfPool(at);
        if (place == p.pools.length) return listing;
        PackedPool it = p.pools[place];
        return PoolListing(p.assets[it.place0()].token(), it.fee(), it.listed(), p.assets[it.place1()].token());
    }

    function isListed(address token) external view returns (bool) {
        PolicyPage memory p = _read();
        return p.placeOf(token) < p.assets.length;
    }

    // ---------------------------------------------------------------- internal

    function _read() private view returns (PolicyPage memory) {
        return PolicyPages.read(page);
    }

    function _setPolicy(PolicyPage memory p, Policy memory numbers) private {
        PolicyBounds.check(numbers);
        (p.healths, p.limits) = PackedPolicy.pack(numbers);
        _write(p);
    }

    function _write(PolicyPage memory p) private {
        _requireDistinct(p);
        page = p.write();
        _tell();
    }

    function _setPaused(bool paused_) private {
        paused = paused_;
        _tell();
    }

    /// @dev The rebalancer keeps both, so that no call of its asks here. Before the set-up there is none to tell; after it
    /// one that is no contract stops every change.
    function _tell() private {
        if (portfolio != address(0)) IRebalancer(rebalancer).follow(page, paused);
    }

    /// @dev The guardian is on the page. The others are asked for first: a pause of theirs needs no page.
    function _requireTightener() private view {
        if (msg.sender != operations && msg.sender != admin && msg.sender != guardian()) revert NotAllowed(msg.sender);
    }

    /// @dev Asked again at every use: the timelock itself could shorten its delay.
    function _requireTimelock(address timelock) private view {
        uint256 delay = timelock.code.length == 0 ? 0 : ITimelock(timelock).getMinDelay();
        if (delay < MIN_TIMELOCK) revert TimelockTooShort(delay, MIN_TIMELOCK);
    }

    /// @dev A removed keeper is address(0); the others must always be somebody.
    function _requireDistinct(PolicyPage memory p) private view {
        (address keeper_, address guardian_) = (p.keeper, p.guardian);
        if (guardian_ == address(0) || operations == address(0)) revert RolesNotDistinct(address(0));
        if (keeper_ == admin || keeper_ == guardian_ || keeper_ == operations) revert RolesNotDistinct(keeper_);
        if (guardian_ == admin || guardian_ == operations) revert RolesNotDistinct(guardian_);
        if (operations == admin) revert RolesNotDistinct(operations);
    }

    function _listAsset(PolicyPage memory p, Asset memory asset, FeedListing memory feed) private {
        uint256 place = p.placeOf(asset.token);
        ListingChecks.asset(asset, place);
        if (p.accounts.length == 0) revert AssetRefused(asset.token, "account");
        p.setAsset(place, PackedAssets.pack(asset));
        book.setFeed(asset.token, feed.feed, feed.maxAge);
        ListingChecks.agreement(asset.token, book, p.accounts[0], p.limits.maxGapBps());
        emit AssetListed(asset, feed.feed, feed.maxAge);
    }

    function _listPool(PolicyPage memory p, address at) private {
        PoolListing memory listing =
            ListingChecks.pool(at, FACTORY, book, p.accounts[0], PackedAssets.unpackAll(p.assets));
        (uint256 place0, uint256 place1) = (p.placeOf(listing.token0), p.placeOf(listing.token1));
        uint256 place = p.placeOfPool(at);
        if (place == MAX_POOLS) revert PoolRefused(at, "count");
        p.setPool(place, PolicyPages.packPool(at, place0, place1, listing.fee, true));
        emit PoolListed(at, listing.token0, listing.token1, listing.fee);
    }

    function _openAccount(PolicyPage memory p, address implementation, uint8 category) private {
        if (implementation.code.length == 0) revert AccountRefused(implementation, "code");
        if (p.accounts.length == MAX_ACCOUNTS) revert AccountRefused(implementation, "count");
        address account = Clones.cloneWithImmutableArgs(implementation, abi.encodePacked(portfolio));
        if (ILendingAccount(account).vault() != portfolio) revert AccountRefused(implementation, "vault");
        p.addAccount(account);
        emit AccountOpened(account, implementation, category);
    }

    /// @dev Every account knows every asset before the first call that uses it. One that fails here, for want of gas too,
    /// stops no listing: it learns an asset when it first supplies or borrows it.
    function _remind() private {
        PolicyPage memory p = _read();
        for (uint256 i = 0; i < p.accounts.length; i++) {
            try ILendingAccount(p.accounts[i]).remember(p.tokens) {} catch {}
        }
    }

    /// @dev After the page is written: the portfolio reads it, and an account's own code runs.
    function _setCategory(uint256 account, uint8 category) private {
        if (category != 0) IPortfolio(portfolio).setCategory(account, category);
    }
}
