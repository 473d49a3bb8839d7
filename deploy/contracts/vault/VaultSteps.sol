// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {IV3SwapRouter} from "@uniswap/swap-router-contracts/contracts/interfaces/IV3SwapRouter.sol";
import {SwapPath} from "./SwapPath.sol";
import {VaultOracle} from "./VaultOracle.sol";

/// @notice Carries out typed steps. Whatever they are, the counterparties are the lending pool and the router, the
/// recipient is this contract, and no allowance outlives its step.
abstract contract VaultSteps is VaultOracle {
    using SafeERC20 for IERC20;
    using Math for uint256;
    using SwapPath for bytes;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.BooleanSlot;
    using TransientSlot for TransientSlot.Uint256Slot;

    uint256 private constant ALL = type(uint256).max;
    uint256 private constant VARIABLE_RATE = 2;
    uint16 private constant NO_REFERRAL = 0;
    bytes32 private constant FLASH_EXPECTED = keccak256("RiskParityVault.flashExpected");
    bytes32 private constant SOLD_USD = keccak256("RiskParityVault.soldUsd");

    // ------------------------------------------------------------- validation

    /// @dev Everything that can be refused before anything moves.
    /// @return touched The tokens that the steps move, in the order of the listings.
    function _checkSteps(Listing[] memory listings, Step[] memory steps)
        internal
        view
        returns (bool[] memory touched)
    {
        if (steps.length == 0) revert NoSteps();
        touched = new bool[](listings.length);
        touched[0] = true;
        for (uint256 i = 0; i < steps.length; i++) {
            Step memory step = steps[i];
            uint256 place = _allowed(listings, step.token);
            touched[place] = true;
            bool exactOnly = step.kind == StepKind.Borrow || step.kind == StepKind.SwapExactOut;
            if (step.amount == 0 || (exactOnly && step.amount == ALL)) revert AmountNotAllowed(i);

            if (step.kind == StepKind.Borrow || step.kind == StepKind.Repay) {
                if (step.token != DEBT_ASSET) revert TokenNotAllowed(step.token);
            } else if (step.kind == StepKind.Supply) {
                if (!listings[place].enabled) revert TokenDisabled(step.token);
            } else if (_isSwap(step.kind)) {
                uint256 end = _checkPath(listings, step, i);
                touched[end] = true;
                Listing memory bought = listings[step.kind == StepKind.SwapExactOut ? place : end];
                if (!bought.enabled) revert TokenDisabled(bought.token);
            }
        }
    }

    /// @dev In an emergency: only what cannot raise the debt or buy risk.
    function _requireLowering(Step[] memory steps) internal view {
        for (uint256 i = 0; i < steps.length; i++) {
            StepKind kind = steps[i].kind;
            if (kind == StepKind.Withdraw || kind == StepKind.Repay) continue;
            if (!_isSwap(kind) || _bought(steps[i]) != DEBT_ASSET) revert StepRaisesRisk(i);
        }
    }

    /// @return end The place of the path's last token.
    function _checkPath(Listing[] memory listings, Step memory step, uint256 index)
        private
        view
        returns (uint256 end)
    {
        bytes memory path = step.path;
        if (!path.wellFormed()) revert PathMalformed(index);
        uint256 hops = path.hops();
        for (uint256 hop = 0; hop < hops; hop++) {
            if (!_feeTiers[path.feeAt(hop)]) revert FeeTierNotAllowed(path.feeAt(hop));
            end = _allowed(listings, path.tokenAt(hop + 1));
        }
        // Both kinds of path begin with the token whose amount is exact; exact-output paths run backwards.
        if (path.tokenAt(0) != step.token || path.tokenAt(hops) == step.token) revert PathMalformed(index);
    }

    function _allowed(Listing[] memory listings, address token) private pure returns (uint256 place) {
        place = _placeOf(listings, token);
        if (place == listings.length) revert TokenNotAllowed(token);
    }

    function _isSwap(StepKind kind) private pure returns (bool) {
        return kind == StepKind.SwapExactIn || kind == StepKind.SwapExactOut;
    }

    function _bought(Step memory step) private pure returns (address) {
        return step.kind == StepKind.SwapExactOut ? step.token : step.path.tokenAt(step.path.hops());
    }

    function _sold(Step memory step) private pure returns (address) {
        return step.kind == StepKind.SwapExactIn ? step.token : step.path.tokenAt(step.path.hops());
    }

    // -------------------------------------------------------------- execution

    /// @return soldUsd Value at the given prices of everything that swaps sold, rounded up.
    function _execute(
        uint256 flashAmount,
        Step[] memory steps,
        Listing[] memory listings,
        uint256[] memory prices
    ) internal returns (uint256 soldUsd) {
        if (flashAmount == 0) return _run(steps, listings, prices);
        FLASH_EXPECTED.asBoolean().tstore(true);
        POOL.flashLoanSimple(address(this), DEBT_ASSET, flashAmount, abi.encode(steps, prices), NO_REFERRAL);
        _closeAllowance(DEBT_ASSET, address(POOL));
        return SOLD_USD.asUint256().tload();
    }

    /// @notice The lending pool's call back inside a flash loan that this contract asked for in the same transaction.
    function executeOperation(
        address token,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata params
    ) external returns (bool) {
        if (msg.sender != address(POOL) || initiator != address(this) || !FLASH_EXPECTED.asBoolean().tload()) {
            revert UnexpectedFlashLoan();
        }
        FLASH_EXPECTED.asBoolean().tstore(false);
        (Step[] memory steps, uint256[] memory prices) = abi.decode(params, (Step[], uint256[]));
        SOLD_USD.asUint256().tstore(_run(steps, _listings, prices));
        IERC20(token).forceApprove(msg.sender, amount + premium);
        return true;
    }

    function _run(Step[] memory steps, Listing[] memory listings, uint256[] memory prices)
        private
        returns (uint256 soldUsd)
    {
        uint256 epochNow = _epoch;
        for (uint256 i = 0; i < steps.length; i++) {
            Step memory step = steps[i];
            (uint256 amountIn, uint256 amountOut) = _runOne(step, listings, i);
            if (_isSwap(step.kind)) {
                uint256 sold = _placeOf(listings, _sold(step));
                soldUsd += amountIn.mulDiv(prices[sold], 10 ** listings[sold].decimals, Math.Rounding.Ceil);
            }
            emit StepExecuted(epochNow, i, step.kind, step.token, amountIn, amountOut);
        }
    }

    /// @return amountIn What left this contract.
    /// @return amountOut What came into it.
    function _runOne(Step memory step, Listing[] memory listings, uint256 index)
        private
        returns (uint256 amountIn, uint256 amountOut)
    {
        if (step.kind == StepKind.Supply) {
            uint256 reserveId = listings[_placeOf(listings, step.token)].reserveId;
            return (_supply(step, reserveId, index), 0);
        }
        if (step.kind == StepKind.Withdraw) return (0, POOL.withdraw(step.token, step.amount, address(this)));
        if (step.kind == StepKind.Borrow) {
            POOL.borrow(step.token, step.amount, VARIABLE_RATE, NO_REFERRAL, address(this));
            return (0, step.amount);
        }
        if (step.kind == StepKind.Repay) return (_repay(step, index), 0);
        if (step.kind == StepKind.SwapExactIn) return _swapExactIn(step, index);
        return _swapExactOut(step);
    }

    function _supply(Step memory step, uint256 reserveId, uint256 index) private returns (uint256 amount) {
        amount = _amount(step, index);
        IERC20(step.token).forceApprove(address(POOL), amount);
        POOL.supply(step.token, amount, address(this), NO_REFERRAL);
        _closeAllowance(step.token, address(POOL));
        // The first supply of a reserve is not always made collateral by the pool itself.
        uint256 collateralBit = reserveId * 2 + 1;
        if ((POOL.getUserConfiguration(address(this)).data >> collateralBit) & 1 == 0) {
            POOL.setUserUseReserveAsCollateral(step.token, true);
        }
    }

    function _repay(Step memory step, uint256 index) private returns (uint256 amount) {
        amount = step.amount == ALL ? Math.min(_debt(), _idle(step.token)) : step.amount;
        if (amount == 0) revert AmountNotAllowed(index);
        IERC20(step.token).forceApprove(address(POOL), amount);
        amount = POOL.repay(step.token, amount, VARIABLE_RATE, address(this));
        _closeAllowance(step.token, address(POOL));
    }

    function _swapExactIn(Step memory step, uint256 index) private returns (uint256 amountIn, uint256 amountOut) {
        amountIn = _amount(step, index);
        IERC20(step.token).forceApprove(ROUTER, amountIn);
        amountOut = IV3SwapRouter(ROUTER).exactInput(
            IV3SwapRouter.ExactInputParams({
                path: step.path,
                recipient: address(this),
                amountIn: amountIn,
                amountOutMinimum: step.limit
            })
        );
        _closeAllowance(step.token, ROUTER);
    }

    function _swapExactOut(Step memory step) private returns (uint256 amountIn, uint256 amountOut) {
        address sold = _sold(step);
        IERC20(sold).forceApprove(ROUTER, Math.min(step.limit, _idle(sold)));
        amountIn = IV3SwapRouter(ROUTER).exactOutput(
            IV3SwapRouter.ExactOutputParams({
                path: step.path,
                recipient: address(this),
                amountOut: step.amount,
                amountInMaximum: step.limit
            })
        );
        _closeAllowance(sold, ROUTER);
        return (amountIn, step.amount);
    }

    /// @dev The router reads an amount of 0 as "its own balance", so nothing at all is refused here.
    function _amount(Step memory step, uint256 index) private view returns (uint256 amount) {
        amount = step.amount == ALL ? _idle(step.token) : step.amount;
        if (amount == 0) revert AmountNotAllowed(index);
    }

    function _closeAllowance(address token, address spender) private {
        if (IERC20(token).allowance(address(this), spender) == 0) return;
        IERC20(token).forceApprove(spender, 0);
        if (IERC20(token).allowance(address(this), spender) != 0) revert AllowanceLeft(token, spender);
    }
}
