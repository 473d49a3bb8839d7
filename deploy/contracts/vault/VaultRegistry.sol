// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IPoolAddressesProvider} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPoolAddressesProvider.sol";
import {DataTypes} from "@aave-dao/aave-v3-origin/src/contracts/protocol/libraries/types/DataTypes.sol";
import {
    IPeripheryImmutableState
} from "@uniswap/v3-periphery/contracts/interfaces/IPeripheryImmutableState.sol";
import {IRiskParityVault} from "../IRiskParityVault.sol";
import {IAggregatorV3} from "./IAggregatorV3.sol";
import {Bucket, LeakyBucket} from "./LeakyBucket.sol";

/// @notice Who may do what, with which tokens, within which limits. All of it is the admin's.
abstract contract VaultRegistry is IRiskParityVault, AccessControl, Pausable {
    bytes32 public constant KEEPER_ROLE = keccak256("KEEPER_ROLE");
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    uint256 internal constant BPS = 10_000;
    uint256 internal constant WAD = 1e18;
    uint256 internal constant WAD_PER_BPS = WAD / BPS;
    uint256 internal constant LOWEST_HEALTH_FACTOR = 1.01e18;
    uint256 internal constant MAX_ASSETS = 20;
    uint8 internal constant FEED_DECIMALS = 8;
    uint8 internal constant MAX_TOKEN_DECIMALS = 18;

    struct Listing {
        address token;
        uint32 maxAge;
        uint16 maxWeightBps;
        bool enabled;
        uint8 decimals;
        uint16 reserveId;
        address feed;
        address aToken;
    }

    IPool public immutable POOL;
    IPoolAddressesProvider public immutable ADDRESSES_PROVIDER;
    address internal immutable ROUTER;
    address internal immutable FACTORY;
    address internal immutable DEBT_ASSET;
    address internal immutable DEBT_TOKEN;

    // What a call writes lies together: the times share the slot of Pausable's flag, two of the buckets share another.
    uint64 internal _epoch;
    uint64 internal _lastRebalance;
    uint64 internal _lastRipcord;

    Bucket internal _lossBucket;
    Bucket internal _turnoverBucket;
    Bucket internal _emergencyLossBucket;

    Policy internal _policy;
    address internal _sequencerFeed;
    uint32 internal _sequencerGracePeriod;
    mapping(uint24 fee => bool) internal _feeTiers;
    /// @dev The accounting asset first, in order of addition after it. A call reads them once, into memory.
    Listing[] internal _listings;

    constructor(IPool pool, address router, address factory, address debtAsset) {
        POOL = pool;
        ADDRESSES_PROVIDER = pool.ADDRESSES_PROVIDER();
        ROUTER = router;
        FACTORY = factory;
        DEBT_ASSET = debtAsset;
        DEBT_TOKEN = pool.getReserveVariableDebtToken(debtAsset);
        if (IPeripheryImmutableState(router).factory() != factory) revert InvalidPolicy("swapFactory");
    }

    // ------------------------------------------------------------ the admin's

    function pause() external {
        if (!hasRole(GUARDIAN_ROLE, msg.sender) && !hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) {
            revert CallerNotGuardianOrAdmin(msg.sender);
        }
        _pause();
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    function setPolicy(Policy calldata newPolicy) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setPolicy(newPolicy);
    }

    function setAsset(AssetConfig calldata config) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setAsset(config);
    }

    function setFeeTier(uint24 fee, bool allowed) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setFeeTier(fee, allowed);
    }

    function setSequencerFeed(address feed, uint32 gracePeriod) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setSequencerFeed(feed, gracePeriod);
    }

    function setCollateralCategory(uint8 eModeCategory) external onlyRole(DEFAULT_ADMIN_ROLE) {
        POOL.setUserEMode(eModeCategory);
    }

    // ------------------------------------------------------------------ views

    function epoch() external view returns (uint256) {
        return _epoch;
    }

    function lastRebalance() external view returns (uint256) {
        return _lastRebalance;
    }

    function lastRipcord() external view returns (uint256) {
        return _lastRipcord;
    }

    function policy() external view returns (Policy memory) {
        return _policy;
    }

    function assets() external view returns (AssetConfig[] memory configs) {
        Listing[] memory listings = _listings;
        configs = new AssetConfig[](listings.length);
        for (uint256 i = 0; i < configs.length; i++) {
            Listing memory listing = listings[i];
            configs[i] = AssetConfig({
                token: listing.token,
                feed: listing.feed,
                maxAge: listing.maxAge,
                maxWeightBps: listing.maxWeightBps,
                enabled: listing.enabled
            });
        }
    }

    function budgets() public view returns (Budgets memory) {
        return Budgets({
            loss: _lossBucket.levelNow(_policy.maxDailyLossBps * WAD_PER_BPS),
            emergencyLoss: _emergencyLossBucket.levelNow(_policy.maxDailyEmergencyLossBps * WAD_PER_BPS),
            turnover: _turnoverBucket.levelNow(_policy.maxDailyTurnoverBps * WAD_PER_BPS)
        });
    }

    function feeTierAllowed(uint24 fee) external view returns (bool) {
        return _feeTiers[fee];
    }

    function sequencer() external view returns (address feed, uint32 gracePeriod) {
        return (_sequencerFeed, _sequencerGracePeriod);
    }

    function lendingPool() external view returns (address) {
        return address(POOL);
    }

    function swapRouter() external view returns (address) {
        return ROUTER;
    }

    function swapFactory() external view returns (address) {
        return FACTORY;
    }

    // --------------------------------------------------------------- internal

    /// @return place In the listings; their length where the token is not among them.
    function _placeOf(Listing[] memory listings, address token) internal pure returns (uint256 place) {
        while (place < listings.length && listings[place].token != token) place++;
    }

    function _setPolicy(Policy memory p) internal {
        if (p.minHealthFactor < LOWEST_HEALTH_FACTOR) revert InvalidPolicy("minHealthFactor");
        if (p.maxLeverage == 0) revert InvalidPolicy("maxLeverage");
        if (p.ripcordHealthFactor >= p.minHealthFactor) revert InvalidPolicy("ripcordHealthFactor");
        if (p.ripcordTargetHealthFactor <= p.ripcordHealthFactor) {
            revert InvalidPolicy("ripcordTargetHealthFactor");
        }
        if (p.maxDailyLossBps > BPS) revert InvalidPolicy("maxDailyLossBps");
        if (p.maxLossBps > p.maxDailyLossBps) revert InvalidPolicy("maxLossBps");
        if (p.maxDailyEmergencyLossBps > BPS) revert InvalidPolicy("maxDailyEmergencyLossBps");
        if (p.maxEmergencyLossBps > p.maxDailyEmergencyLossBps) revert InvalidPolicy("maxEmergencyLossBps");
        if (p.maxOracleGapBps > BPS) revert InvalidPolicy("maxOracleGapBps");

        // Drain at the old limits up to now, so that a new limit does not rewrite the past.
        Budgets memory used = budgets();
        _lossBucket = LeakyBucket.filledTo(used.loss);
        _emergencyLossBucket = LeakyBucket.filledTo(used.emergencyLoss);
        _turnoverBucket = LeakyBucket.filledTo(used.turnover);

        _policy = p;
        emit PolicyChanged(p);
    }

    function _setAsset(AssetConfig memory config) internal {
        address token = config.token;
        if (token == address(0)) revert InvalidAsset(token, "token");
        if (token == DEBT_ASSET && !config.enabled) revert InvalidAsset(token, "enabled");
        if (config.maxAge == 0) revert InvalidAsset(token, "maxAge");
        if (config.feed.code.length == 0 || IAggregatorV3(config.feed).decimals() != FEED_DECIMALS) {
            revert InvalidAsset(token, "feed");
        }
        DataTypes.ReserveDataLegacy memory reserve = POOL.getReserveData(token);
        if (reserve.aTokenAddress == address(0)) revert InvalidAsset(token, "reserve");
        uint8 decimals = IERC20Metadata(token).decimals();
        if (decimals > MAX_TOKEN_DECIMALS) revert InvalidAsset(token, "decimals");

        uint256 place = _placeOf(_listings, token);
        if (place == MAX_ASSETS) revert InvalidAsset(token, "count");
        if (place == _listings.length) _listings.push();
        _listings[place] = Listing({
            token: token,
            feed: config.feed,
            maxAge: config.maxAge,
            maxWeightBps: config.maxWeightBps,
            enabled: config.enabled,
            decimals: decimals,
            reserveId: reserve.id,
            aToken: reserve.aTokenAddress
        });
        emit AssetChanged(config);
    }

    function _setFeeTier(uint24 fee, bool allowed) internal {
        _feeTiers[fee] = allowed;
        emit FeeTierChanged(fee, allowed);
    }

    function _setSequencerFeed(address feed, uint32 gracePeriod) internal {
        _sequencerFeed = feed;
        _sequencerGracePeriod = gracePeriod;
        emit SequencerFeedChanged(feed, gracePeriod);
    }
}
