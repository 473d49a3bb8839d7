// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @notice One listed token. The accounting asset is the first. Fits one word.
struct Asset {
    address token;
    uint8 decimals;
    uint8 dustExponent; //  less than 10^dustExponent raw units counts for nothing
    uint16 maxWeightBps; // value / NAV after a rebalance that bought it; not used for the accounting asset
    uint16 slippageBps; //  a swap's shortfall against the oracle beyond the pool's fee
    uint16 lagBps; //       how far its feed may lag behind the market: charged on what a call moves
    bool enabled; //        false: may be sold, withdrawn and repaid, not bought, supplied or borrowed
    bool borrowable;
}

/// @notice The numbers that bound a call. Health factors and leverage 1e18, times in seconds. Fits two words.
struct Policy {
    uint64 minHealth; //        every account is at or above it after a rebalance
    uint64 emergencyHealth; //  under it the loss of a deleveraging is bounded by the debt repaid
    uint64 targetHealth; //     an emergency call may not go beyond it
    uint64 ripcordHealth; //    under it anybody may deleverage
    uint64 maxLeverage; //      value of all but the accounting asset / NAV, after a rebalance
    uint32 minInterval; //      between two rebalances
    uint32 ripcordInterval; //  between two ripcords by strangers
    uint16 maxLossBps; //       of NAV, one call
    uint16 dailyLossBps; //     of NAV, any 24 hours, the feeds' lag included
    uint32 dailyTurnoverBps; // of NAV, any 24 hours, value sold in swaps
    uint16 maxGapBps; //        between feed and venue oracle
    uint16 guardianLossBps; //  of NAV, any 24 hours, a guardian's calls outside an emergency
    uint16 emergencyLossBps; // of the debt repaid
    uint16 ripcordLossBps; //   of the debt repaid, for strangers
}

/// @title Who may do what, with what, within which numbers.
interface IPolicyRegistry {
    struct FeedListing {
        address feed;
        uint32 maxAge;
    }

    /// @notice A Uniswap V3 pool that swaps may use.
    struct PoolListing {
        address token0;
        uint24 fee;
        bool listed;
        address token1;
    }

    enum Listing {
        Asset,
        Pool,
        Account,
        Sequencer
    }

    event KeeperChanged(address indexed keeper);
    event GuardianChanged(address indexed guardian);
    event OperationsChanged(address indexed operations);
    event Paused(address indexed by);
    event Unpaused(address indexed by);
    event PolicyTightened(address indexed by, Policy policy);
    event PolicyLoosened(Policy policy);
    event AssetListed(Asset asset, address feed, uint32 maxAge);
    event AssetDisabled(address indexed token, address indexed by);
    event PoolListed(address indexed pool, address token0, address token1, uint24 fee);
    event PoolRemoved(address indexed pool, address indexed by);
    event AccountOpened(address indexed account, address implementation, uint8 category);
    event ListingProposed(bytes32 indexed id, Listing kind, bytes data, uint256 notBefore);
    event ListingCancelled(bytes32 indexed id, address indexed by);
    event Heartbeat(address indexed by);

    error NotAllowed(address caller);
    error RolesNotDistinct(address account);
    error TimelockTooShort(uint256 delay, uint256 minimum);
    error PolicyOutOfBounds(bytes32 field);
    error NotTighter(bytes32 field);
    error AssetRefused(address token, bytes32 field);
    error PoolRefused(address pool, bytes32 field);
    error AccountRefused(address implementation, bytes32 field);
    error NotProposed(bytes32 id);
    error TooEarly(uint256 notBefore, uint256 timestamp);
    error AlreadySetUp();

    /// @notice Where roles, numbers and lists lie now: see PolicyPages.
    function page() external view returns (address);

    /// @notice The contracts of this vault.
    function portfolio() external view returns (address);
    function rebalancer() external view returns (address);
    function shares() external view returns (address);

    /// @notice Reverts unless the account is the admin, with a timelock's delay.
    function requireAdmin(address account) external view;
    function admin() external view returns (address);
    function keeper() external view returns (address);
    function guardian() external view returns (address);
    function operations() external view returns (address);
    function paused() external view returns (bool);
    function policy() external view returns (Policy memory);
    function assets() external view returns (Asset[] memory);
    function accounts() external view returns (address[] memory);
    function pool(address at) external view returns (PoolListing memory);
    function isListed(address token) external view returns (bool);

    /// @notice When keeper or admin last showed themselves here.
    function lastSeen() external view returns (uint256 timestamp);

    /// @notice Seconds of silence after which anybody may wind the vault down.
    function silence() external view returns (uint256);

    /// @param lastCall When the keeper last showed itself elsewhere.
    /// @return timestamp After which keeper and admin count as silent.
    function silentFrom(uint256 lastCall) external view returns (uint256 timestamp);
}
