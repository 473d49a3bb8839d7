// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {Asset, IPolicyRegistry, Policy} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "./interfaces/IPortfolio.sol";
import {ListingChecks} from "./ListingChecks.sol";
import {PackedAsset, PackedAssets} from "./PackedAssets.sol";
import {PolicyBounds} from "./PolicyBounds.sol";
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
    uint256 private constant KEEPER = 1;
    uint256 private constant GUARDIAN = 2;

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

    /// @dev Its tokens by their places in the assets, which never change.
    struct Pool {
        uint8 place0;
        uint8 place1;
        uint24 fee;
        bool listed;
    }

    IUniswapV3Factory public immutable FACTORY;
    address private immutable DEPLOYER;
    uint256 public immutable silence;
    address public immutable admin;

    address public keeper;
    bool public paused;
    address public guardian;
    address public operations;
    uint64 private _lastSeen;

    address public portfolio;
    address public rebalancer;
    address public shares;
    PriceBook public book;
    Policy private _policy;
    PackedAsset[] private _assets;
    address[] private _accounts;
    mapping(address pool => Pool) private _pools;
    mapping(bytes32 id => uint256 notBefore) public proposals;

    modifier onlyAdmin() {
        requireAdmin(msg.sender);
        _lastSeen = uint64(block.timestamp);
        _;
    }

    modifier onlyTighteners() {
        if (msg.sender != guardian && msg.sender != operations && msg.sender != admin) revert NotAllowed(msg.sender);
        _;
    }

    /// @param silence_ Seconds without a sign of keeper and admin after which anybody may wind the vault down.
    constructor(Roles memory roles, Policy memory policy_, IUniswapV3Factory factory, uint256 silence_) {
        _requireTimelock(roles.admin);
        admin = roles.admin;
        keeper = roles.keeper;
        guardian = roles.guardian;
        operations = roles.operations;
        _requireDistinct();
        if (silence_ < MIN_SILENCE || silence_ > MAX_SILENCE) revert PolicyOutOfBounds("silence");
        PolicyBounds.check(policy_);
        _policy = policy_;
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
        for (uint256 i = 0; i < s.implementations.length; i++) {
            _openAccount(s.implementations[i], s.categories[i]);
        }
        for (uint256 i = 0; i < s.assets.length; i++) {
            _listAsset(s.assets[i], s.feeds[i]);
            if (_assets.length != i + 1) revert AssetRefused(s.assets[i].token, "duplicate");
        }
        for (uint256 i = 0; i < s.pools.length; i++) {
            _listPool(s.pools[i]);
        }
        s.book.setSequencer(s.sequencer, s.grace);
    }

    // ---------------------------------------------------------------- tightening, at once

    function pause() external onlyTighteners {
        paused = true;
        emit Paused(msg.sender);
    }

    /// @notice Needs neither epoch nor price nor plan: a thief with the keeper's key cannot get in its way.
    function removeKeeper() external onlyTighteners {
        keeper = address(0);
        emit KeeperChanged(address(0));
    }

    /// @notice Only fields that cannot make an exit harder can be tightened without the admin.
    function tighten(Policy calldata p) external onlyTighteners {
        PolicyBounds.check(p);
        PolicyBounds.requireTighter(_policy, p);
        _policy = p;
        emit PolicyTightened(msg.sender, p);
    }

    function disableAsset(address token) external onlyTighteners {
        uint256 place = _placeOf(token);
        if (place == 0 || place == _assets.length) revert AssetRefused(token, "token");
        _assets[place] = _assets[place].disabled();
        emit AssetDisabled(token, msg.sender);
    }

    function removePool(address pool_) external onlyTighteners {
        _pools[pool_].listed = false;
        emit PoolRemoved(pool_, msg.sender);
    }

    function cancelListing(bytes32 id) external onlyTighteners {
        delete proposals[id];
        emit ListingCancelled(id, msg.sender);
    }

    /// @notice Keeper or admin show that they are there. A guardian's word does not count: it could hold a paused vault
    /// shut for ever.
    function heartbeat() external {
        if (msg.sender != keeper && msg.sender != admin) revert NotAllowed(msg.sender);
        _lastSeen = uint64(block.timestamp);
        emit Heartbeat(msg.sender);
    }

    // ---------------------------------------------------------------- loosening, the admin's

    function unpause() external onlyAdmin {
        paused = false;
        emit Unpaused(msg.sender);
    }

    function setKeeper(address keeper_) external onlyAdmin {
        keeper = keeper_;
        _requireDistinct();
        emit KeeperChanged(keeper_);
    }

    function setGuardian(address guardian_) external onlyAdmin {
        guardian = guardian_;
        _requireDistinct();
        emit GuardianChanged(guardian_);
    }

    function setOperations(address operations_) external onlyAdmin {
        operations = operations_;
        _requireDistinct();
        emit OperationsChanged(operations_);
    }

    function setPolicy(Policy calldata p) external onlyAdmin {
        PolicyBounds.check(p);
        _policy = p;
        emit PolicyLoosened(p);
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
        if (kind == Listing.Asset) {
            (Asset memory asset, FeedListing memory feed) = abi.decode(data, (Asset, FeedListing));
            _listAsset(asset, feed);
        } else if (kind == Listing.Pool) {
            _listPool(abi.decode(data, (address)));
        } else if (kind == Listing.Account) {
            (address implementation, uint8 category) = abi.decode(data, (address, uint8));
            _openAccount(implementation, category);
        } else {
            (address feed, uint32 grace) = abi.decode(data, (address, uint32));
            book.setSequencer(feed, grace);
        }
    }

    // ---------------------------------------------------------------- views

    function frame(address caller)
        external
        view
        returns (
            uint256 roles,
            bool paused_,
            Policy memory policy_,
            PackedAsset[] memory assets_,
            address[] memory accounts_
        )
    {
        roles = caller == keeper ? KEEPER : caller == guardian ? GUARDIAN : 0;
        return (roles, paused, _policy, _assets, _accounts);
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
        return _policy;
    }

    function assets() external view returns (Asset[] memory) {
        return PackedAssets.unpackAll(_assets);
    }

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    function pool(address at) external view returns (PoolListing memory listing) {
        Pool memory p = _pools[at];
        if (p.place0 == p.place1) return listing;
        return PoolListing(_assets[p.place0].token(), p.fee, p.listed, _assets[p.place1].token());
    }

    function places(address at)
        external
        view
        returns (uint256 place0, uint256 place1, uint256 fee, bool listed)
    {
        Pool memory p = _pools[at];
        return (p.place0, p.place1, p.fee, p.listed);
    }

    function isListed(address token) external view returns (bool) {
        return _placeOf(token) < _assets.length;
    }

    // ---------------------------------------------------------------- internal

    function _placeOf(address token) private view returns (uint256 place) {
        while (place < _assets.length && _assets[place].token() != token) place++;
    }

    /// @dev Asked again at every use: the timelock itself could shorten its delay.
    function _requireTimelock(address timelock) private view {
        uint256 delay = timelock.code.length == 0 ? 0 : ITimelock(timelock).getMinDelay();
        if (delay < MIN_TIMELOCK) revert TimelockTooShort(delay, MIN_TIMELOCK);
    }

    /// @dev A removed keeper is address(0); the others must always be somebody.
    function _requireDistinct() private view {
        if (guardian == address(0) || operations == address(0)) revert RolesNotDistinct(address(0));
        if (keeper == admin || keeper == guardian || keeper == operations) revert RolesNotDistinct(keeper);
        if (guardian == admin || guardian == operations) revert RolesNotDistinct(guardian);
        if (operations == admin) revert RolesNotDistinct(operations);
    }

    function _listAsset(Asset memory asset, FeedListing memory feed) private {
        uint256 place = _placeOf(asset.token);
        ListingChecks.asset(asset, place);
        if (_accounts.length == 0) revert AssetRefused(asset.token, "account");
        if (place == _assets.length) _assets.push();
        _assets[place] = PackedAssets.pack(asset);
        book.setFeed(asset.token, feed.feed, feed.maxAge);
        ListingChecks.agreement(asset.token, book, _accounts[0], _policy.maxGapBps);
        emit AssetListed(asset, feed.feed, feed.maxAge);
    }

    function _listPool(address at) private {
        PoolListing memory listing =
            ListingChecks.pool(at, FACTORY, book, _accounts[0], PackedAssets.unpackAll(_assets));
        _pools[at] = Pool(uint8(_placeOf(listing.token0)), uint8(_placeOf(listing.token1)), listing.fee, true);
        emit PoolListed(at, listing.token0, listing.token1, listing.fee);
    }

    function _openAccount(address implementation, uint8 category) private {
        if (implementation.code.length == 0) revert AccountRefused(implementation, "code");
        if (_accounts.length == MAX_ACCOUNTS) revert AccountRefused(implementation, "count");
        address account = Clones.cloneWithImmutableArgs(implementation, abi.encodePacked(portfolio));
        if (ILendingAccount(account).vault() != portfolio) revert AccountRefused(implementation, "vault");
        _accounts.push(account);
        emit AccountOpened(account, implementation, category);
        if (category != 0) IPortfolio(portfolio).setCategory(_accounts.length - 1, category);
    }
}
