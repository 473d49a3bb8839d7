// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IPolicyRegistry} from "./IPolicyRegistry.sol";

/// @notice What a step does. The account named is the one that supplies, withdraws, borrows or repays.
enum StepKind {
    Supply,
    Withdraw,
    Borrow,
    Repay,
    SwapExactIn, //  sells `amount` of `token` into `pool`, for at least `limit`
    SwapExactOut //  buys `amount` of `token` from `pool`, for at most `limit`
}

/// @dev `amount` may be ALL (all that is idle, supplied or owed; not for Borrow and SwapExactOut), or for Supply, Repay
/// and SwapExactIn PREVIOUS (what the swap, withdrawal or loan one step before brought).
struct Step {
    StepKind kind;
    uint8 account;
    address token;
    address pool;
    uint256 amount;
    uint256 limit;
}

/// @notice A flash loan around the steps, from the account's venue. None where `amount` is 0.
struct Flash {
    uint8 account;
    address token;
    uint256 amount;
}

/// @title The vault's money. It carries out steps for the rebalancer, and pays and takes for the shares.
/// @notice No step can name a recipient: money moves between this contract, the vault's accounts and listed pools.
interface IPortfolio {
    event StepExecuted(uint256 indexed index, uint256 amountIn, uint256 amountOut);
    event CategorySet(uint256 indexed account, uint8 category);

    error CallerNotAllowed(address caller);
    error StepRefused(uint256 index, bytes32 why);
    error SwapBelowOracle(uint256 index, uint256 amountOut, uint256 minimum);
    error UnexpectedCallback(address caller);
    error NotClosed();

    /// @notice The rebalancer's.
    /// @param plan Orders that have been checked, as `Orders` encodes them.
    /// @return soldUsd Value at the plan's quotes of everything that swaps sold, 8 decimals, rounded up.
    function run(Flash calldata loan, bytes calldata plan) external returns (uint256 soldUsd);

    /// @notice The accounts' way back into the steps of a flash loan.
    function onFlash(address token, uint256 amount, uint256 premium, bytes calldata plan) external;

    /// @notice The shares': takes the accounting asset from their contract.
    function take(uint256 amount) external;

    /// @notice The shares': pays the idle accounting asset.
    function pay(address to, uint256 amount) external;

    /// @notice The shares': pays part/whole of everything that is held of these tokens, once the vault is closed.
    /// @param tokens In strictly rising order, so that none is paid twice. Listed or not.
    function payInKind(address to, uint256 part, uint256 whole, address[] calldata tokens) external;

    /// @notice The registry's, when it opens an account.
    function setCategory(uint256 account, uint8 category) external;

    /// @return tokens The registry's assets.
    /// @return net Idle and supplied less owed, raw units.
    /// @return owed Raw units.
    function holdings() external view returns (address[] memory tokens, int256[] memory net, uint256[] memory owed);

    function idle() external view returns (uint256);

    /// @notice The one that may call `run`.
    function REBALANCER() external view returns (address);
    function REGISTRY() external view returns (IPolicyRegistry);

    /// @notice No debt, and paused or silent: holders may leave in kind.
    function closed() external view returns (bool);
    function isListed(address token) external view returns (bool);
}
