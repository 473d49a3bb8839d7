// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {IUniswapV3SwapCallback} from "@uniswap/v3-core/contracts/interfaces/callback/IUniswapV3SwapCallback.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {Flash, IPortfolio, Step, StepKind} from "./interfaces/IPortfolio.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Amounts, Frames, Holdings, Leg, Plan} from "./Frames.sol";
import {PackedAsset} from "./PackedAssets.sol";

/// @title The vault's money, its accounts and its swaps.
/// @notice Carries out steps that the rebalancer has checked. The counterparties are the vault's own accounts and
/// listed pools. There is no allowance: an account and a pool are paid what they are due, when they are due.
contract Portfolio is IPortfolio, IUniswapV3SwapCallback, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Math for uint256;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.AddressSlot;
    using TransientSlot for TransientSlot.Uint256Slot;

    uint160 private constant LOWEST_SQRT_PRICE = 4295128740;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970341;
    bytes32 private constant EXPECTED_CALLER = keccak256("Portfolio.expectedCaller");
    bytes32 private constant PAY_TOKEN = keccak256("Portfolio.payToken");
    bytes32 private constant PAY_AT_MOST = keccak256("Portfolio.payAtMost");
    bytes32 private constant SOLD_USD = keccak256("Portfolio.soldUsd");

    IPolicyRegistry public immutable REGISTRY;
    address public immutable ASSET;

    modifier onlyShares() {
        if (msg.sender != REGISTRY.shares()) revert CallerNotAllowed(msg.sender);
        _;
    }

    constructor(IPolicyRegistry registry, address asset) {
        REGISTRY = registry;
        ASSET = asset;
    }

    // ---------------------------------------------------------------- calls

    function run(Flash calldata loan, bytes calldata plan) external nonReentrant returns (uint256 soldUsd) {
        if (msg.sender != REGISTRY.rebalancer()) revert CallerNotAllowed(msg.sender);
        SOLD_USD.asUint256().tstore(0);
        if (loan.amount == 0) {
            _run(abi.decode(plan, (Plan)), 0);
        } else {
            address account = REGISTRY.accounts()[loan.account];
            EXPECTED_CALLER.asAddress().tstore(account);
            ILendingAccount(account).flash(loan.token, loan.amount, plan);
        }
        return SOLD_USD.asUint256().tload();
    }

    function onFlash(address token, uint256 amount, uint256 premium, bytes calldata plan) external {
        _expect();
        _run(abi.decode(plan, (Plan)), amount);
        IERC20(token).safeTransfer(msg.sender, amount + premium);
    }

    /// @notice A listed pool that this contract is swapping with asks for its money.
    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external {
        _expect();
        uint256 due = uint256(delta0 > 0 ? delta0 : delta1);
        if (due > PAY_AT_MOST.asUint256().tload()) revert UnexpectedCallback(msg.sender);
        IERC20(PAY_TOKEN.asAddress().tload()).safeTransfer(msg.sender, due);
    }

    function take(uint256 amount) external nonReentrant onlyShares {
        IERC20(ASSET).safeTransferFrom(msg.sender, address(this), amount);
    }

    function pay(address to, uint256 amount) external nonReentrant onlyShares {
        IERC20(ASSET).safeTransfer(to, amount);
    }

    /// @dev Whoever leaves a token out gives up their part of it, so that a token that cannot move holds nobody back.
    function payInKind(address to, uint256 part, uint256 whole, address[] calldata tokens)
        external
        nonReentrant
        onlyShares
    {
        if (!closed()) revert NotClosed();
        address[] memory accounts = REGISTRY.accounts();
        for (uint256 i = 0; i < tokens.length; i++) {
            if (i != 0 && tokens[i] <= tokens[i - 1]) revert StepRefused(i, "order");
            uint256 amount = IERC20(tokens[i]).balanceOf(address(this)).mulDiv(part, whole);
            for (uint256 k = 0; k < accounts.length; k++) {
                uint256 share = ILendingAccount(accounts[k]).supplied(tokens[i]).mulDiv(part, whole);
                if (share != 0) amount += ILendingAccount(accounts[k]).withdraw(tokens[i], share);
            }
            if (amount != 0) IERC20(tokens[i]).safeTransfer(to, amount);
        }
    }

    function setCategory(uint256 account, uint8 category) external {
        if (msg.sender != address(REGISTRY)) revert CallerNotAllowed(msg.sender);
        ILendingAccount(REGISTRY.accounts()[account]).setCategory(category);
        emit CategorySet(account, category);
    }

    // ---------------------------------------------------------------- views

    function holdings()
        external
        view
        returns (address[] memory tokens, int256[] memory net, uint256[] memory owed)
    {
        Holdings memory h;
        (tokens, h) = _holdings();
        net = new int256[](tokens.length);
        for (uint256 i = 0; i < net.length; i++) {
            net[i] = int256(h.gross[i]) - int256(h.owed[i]);
        }
        return (tokens, net, h.owed);
    }

    function idle() external view returns (uint256) {
        return IERC20(ASSET).balanceOf(address(this));
    }

    function closed() public view returns (bool) {
        if (!REGISTRY.paused() && !IRebalancer(REGISTRY.rebalancer()).silent()) return false;
        (, Holdings memory h) = _holdings();
        for (uint256 i = 0; i < h.owed.length; i++) {
            if (h.owed[i] != 0) return false;
        }
        return true;
    }

    function isListed(address token) external view returns (bool) {
        return REGISTRY.isListed(token);
    }

    function _holdings() private view returns (address[] memory tokens, Holdings memory h) {
        (,,, PackedAsset[] memory assets, address[] memory accounts) = REGISTRY.frame(address(0));
        tokens = Frames.tokens(assets);
        h = Frames.holdings(tokens, accounts, address(this));
    }

    // ---------------------------------------------------------------- steps

    /// @dev Who was asked may call back once.
    function _expect() private {
        if (msg.sender != EXPECTED_CALLER.asAddress().tload()) revert UnexpectedCallback(msg.sender);
        EXPECTED_CALLER.asAddress().tstore(address(0));
    }

    function _run(Plan memory plan, uint256 previous) private {
        for (uint256 i = 0; i < plan.steps.length; i++) {
            Step memory step = plan.steps[i];
            if (step.amount == Amounts.PREVIOUS) step.amount = previous;
            (uint256 amountIn, uint256 amountOut) =
                step.kind >= StepKind.SwapExactIn ? _swap(plan, i) : _lend(plan, step, i);
            if (amountOut != 0) previous = amountOut;
            emit StepExecuted(i, amountIn, amountOut);
        }
    }

    /// @return amountIn What left this contract.
    /// @return amountOut What came into it.
    function _lend(Plan memory plan, Step memory step, uint256 index)
        private
        returns (uint256 amountIn, uint256 amountOut)
    {
        ILendingAccount account = ILendingAccount(plan.accounts[step.account]);
        IERC20 token = IERC20(step.token);
        if (step.kind == StepKind.Withdraw) return (0, account.withdraw(step.token, step.amount));
        if (step.kind == StepKind.Borrow) {
            account.borrow(step.token, step.amount);
            return (0, step.amount);
        }
        if (step.kind == StepKind.Supply) {
            amountIn = step.amount == Amounts.ALL ? token.balanceOf(address(this)) : step.amount;
            if (amountIn == 0) revert StepRefused(index, "nothing");
            token.safeTransfer(address(account), amountIn);
            account.supply(step.token, amountIn);
            return (amountIn, 0);
        }
        amountIn = step.amount == Amounts.ALL
            ? Math.min(account.owed(step.token), token.balanceOf(address(this)))
            : step.amount;
        if (amountIn == 0) revert StepRefused(index, "nothing");
        token.safeTransfer(address(account), amountIn);
        return (account.repay(step.token, amountIn), 0);
    }

    function _swap(Plan memory plan, uint256 index) private returns (uint256 amountIn, uint256 amountOut) {
        Step memory step = plan.steps[index];
        Leg memory leg = plan.legs[index];
        bool exactIn = step.kind == StepKind.SwapExactIn;
        if (exactIn && step.amount == Amounts.ALL) step.amount = IERC20(leg.sold).balanceOf(address(this));
        if (step.amount == 0) revert StepRefused(index, "nothing");
        EXPECTED_CALLER.asAddress().tstore(step.pool);
        PAY_TOKEN.asAddress().tstore(leg.sold);
        PAY_AT_MOST.asUint256().tstore(exactIn ? step.amount : step.limit);
        (int256 delta0, int256 delta1) = IUniswapV3Pool(step.pool).swap(
            address(this),
            leg.zeroForOne,
            exactIn ? int256(step.amount) : -int256(step.amount),
            leg.zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE,
            ""
        );
        (amountIn, amountOut) =
            leg.zeroForOne ? (uint256(delta0), uint256(-delta1)) : (uint256(delta1), uint256(-delta0));
        if (amountOut < (exactIn ? step.limit : step.amount)) revert StepRefused(index, "limit");
        uint256 least = amountIn.mulDiv(leg.rate, Amounts.RATE, Math.Rounding.Ceil);
        if (amountOut < least) revert SwapBelowOracle(index, amountOut, least);
        uint256 soldUsd = amountIn.mulDiv(leg.usd, Amounts.USD, Math.Rounding.Ceil);
        SOLD_USD.asUint256().tstore(SOLD_USD.asUint256().tload() + soldUsd);
    }
}
