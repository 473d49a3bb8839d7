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
import {Flash, IPortfolio, StepKind} from "./interfaces/IPortfolio.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Amounts, Frames, Holdings, Order} from "./Frames.sol";
import {Orders} from "./Orders.sol";
import {PolicyPage, PolicyPages} from "./PolicyPages.sol";

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
    address public immutable REBALANCER;

    modifier onlyShares() {
        if (msg.sender != REGISTRY.shares()) revert CallerNotAllowed(msg.sender);
        _;
    }

    /// @param rebalancer Where it will be: it is made after this contract, and the registry's set-up asks for it here.
    constructor(IPolicyRegistry registry, address asset, address rebalancer) {
        REGISTRY = registry;
        ASSET = asset;
        REBALANCER = rebalancer;
    }

    // ---------------------------------------------------------------- calls

    function run(Flash calldata loan, bytes calldata plan) external nonReentrant returns (uint256 soldUsd) {
        if (msg.sender != REBALANCER) revert CallerNotAllowed(msg.sender);
        SOLD_USD.asUint256().tstore(0);
        if (loan.amount == 0) {
            _run(plan, 0);
        } else {
            address account = REGISTRY.accounts()[loan.account];
            EXPECTED_CALLER.asAddress().tstore(account);
            ILendingAccount(account).flash(loan.token, loan.amount, plan);
        }
        return SOLD_USD.asUint256().tload();
    }

    function onFlash(address token, uint256 amount, uint256 premium, bytes calldata plan) external {
        _expect();
        _run(plan, amount);
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
        if (!REGISTRY.paused() && !IRebalancer(REBALANCER).silent()) return false;
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
        PolicyPage memory page = PolicyPages.read(REGISTRY.page());
        tokens = page.tokens;
        h = Frames.holdings(tokens, page.accounts, address(this), false);
    }

    // ---------------------------------------------------------------- steps

    /// @dev Who was asked may call back once.
    function _expect() private {
        if (msg.sender != EXPECTED_CALLER.asAddress().tload()) revert UnexpectedCallback(msg.sender);
        EXPECTED_CALLER.asAddress().tstore(address(0));
    }

    function _run(bytes calldata plan, uint256 previous) private {
        Order[] memory orders = Orders.decode(plan);
        bool sent = false;
        for (uint256 i = 0; i < orders.length; i++) {
            Order memory order = orders[i];
            if (order.amount == Amounts.PREVIOUS) order.amount = previous;
            (uint256 amountIn, uint256 amountOut) = (0, 0);
            if (order.kind >= StepKind.SwapExactIn) {
                address receiver = _receiver(orders, i);
                (amountIn, amountOut) = _swap(order, i, receiver);
                sent = receiver != address(this) && amountOut != 0;
            } else {
                (amountIn, amountOut) = _lend(order, i, sent);
                sent = false;
            }
            if (amountOut != 0) previous = amountOut;
            emit StepExecuted(i, amountIn, amountOut);
        }
    }

    /// @dev What the next step supplies or repays whole need not pass through here: the pool sends it to the account.
    function _receiver(Order[] memory orders, uint256 index) private view returns (address) {
        if (index + 1 == orders.length) return address(this);
        Order memory next = orders[index + 1];
        bool takes = next.kind == StepKind.Supply || next.kind == StepKind.Repay;
        bool whole = next.amount == Amounts.PREVIOUS && next.token == orders[index].bought;
        return takes && whole ? next.account : address(this);
    }

    /// @param sent Whether what the account takes has been sent to it by the swap before.
    /// @return amountIn What left this contract, or the pool in its place.
    /// @return amountOut What came into it.
    function _lend(Order memory order, uint256 index, bool sent)
        private
        returns (uint256 amountIn, uint256 amountOut)
    {
        ILendingAccount account = ILendingAccount(order.account);
        (IERC20 token, uint256 amount) = (IERC20(order.token), order.amount);
        if (order.kind == StepKind.Withdraw) return (0, account.withdraw(order.token, amount));
        if (order.kind == StepKind.Borrow) {
            account.borrow(order.token, amount);
            return (0, amount);
        }
        bool repays = order.kind == StepKind.Repay;
        if (amount == Amounts.ALL) {
            amount = token.balanceOf(address(this));
            if (repays) amount = Math.min(account.owed(order.token), amount);
        }
        if (amount == 0) revert StepRefused(index, "nothing");
        if (!sent) token.safeTransfer(order.account, amount);
        if (repays) return (account.repay(order.token, amount), 0);
        account.supply(order.token, amount);
        return (amount, 0);
    }

    function _swap(Order memory order, uint256 index, address receiver)
        private
        returns (uint256 amountIn, uint256 amountOut)
    {
        bool exactIn = order.kind == StepKind.SwapExactIn;
        if (exactIn && order.amount == Amounts.ALL) order.amount = IERC20(order.sold).balanceOf(address(this));
        if (order.amount == 0) revert StepRefused(index, "nothing");
        EXPECTED_CALLER.asAddress().tstore(order.pool);
        PAY_TOKEN.asAddress().tstore(order.sold);
        PAY_AT_MOST.asUint256().tstore(exactIn ? order.amount : order.limit);
        (int256 delta0, int256 delta1) = IUniswapV3Pool(order.pool).swap(
            receiver,
            order.zeroForOne,
            exactIn ? int256(order.amount) : -int256(order.amount),
            order.zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE,
            ""
        );
        (amountIn, amountOut) =
            order.zeroForOne ? (uint256(delta0), uint256(-delta1)) : (uint256(delta1), uint256(-delta0));
        if (amountOut < (exactIn ? order.limit : order.amount)) revert StepRefused(index, "limit");
        uint256 least = amountIn.mulDiv(order.rate, Amounts.RATE, Math.Rounding.Ceil);
        if (amountOut < least) revert SwapBelowOracle(index, amountOut, least);
        uint256 soldUsd = amountIn.mulDiv(order.usd, Amounts.USD, Math.Rounding.Ceil);
        SOLD_USD.asUint256().tstore(SOLD_USD.asUint256().tload() + soldUsd);
    }
}
