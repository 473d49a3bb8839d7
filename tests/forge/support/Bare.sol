// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IAaveOracle} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IAaveOracle.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {IFeed} from "portfolio/interfaces/IFeed.sol";
import {Step, StepKind} from "portfolio/interfaces/IPortfolio.sol";

/// @notice The least that a call with the vault's checks can cost: what it moves, and what the checks must read and
/// store, with nothing computed, nothing listed and nothing refused. Addresses are in the code. Only for measuring.
contract Bare {
    uint160 private constant LOWEST = 4295128740;
    uint160 private constant HIGHEST = 1461446703485210103287273052203988822378723970341;

    struct Known {
        address token;
        address receipt;
        address debt;
        address feed;
    }

    IPool private immutable POOL;
    IAaveOracle private immutable ORACLE;
    address private immutable T0;
    address private immutable T1;
    address private immutable T2;
    address private immutable T3;
    address private immutable T4;
    address private immutable R1;
    address private immutable R2;
    address private immutable R3;
    address private immutable D0;
    address private immutable F0;
    address private immutable F1;
    address private immutable F2;
    address private immutable F3;

    uint256 private _roles = 1;
    uint256 private _epoch = 1;
    uint256 private _loss = 1;
    uint256 private _turnover = 1;

    /// @dev As the scene holds them: cash owed, three assets supplied, the fifth neither.
    constructor(IPool pool, IAaveOracle oracle, Known[] memory k) {
        (POOL, ORACLE) = (pool, oracle);
        (T0, T1, T2, T3, T4) = (k[0].token, k[1].token, k[2].token, k[3].token, k[4].token);
        (R1, R2, R3, D0) = (k[1].receipt, k[2].receipt, k[3].receipt, k[0].debt);
        (F0, F1, F2, F3) = (k[0].feed, k[1].feed, k[2].feed, k[3].feed);
    }

    /// @param checked Whether what the checks need is read and stored around the steps.
    /// @param lowering Whether the health factor is asked for before the steps as well.
    function run(bool checked, bool lowering, Step[] calldata steps) external {
        if (!checked) return _run(steps);
        uint256 sum = _roles + _prices() + _holdings() + (lowering ? _health() : 0);
        _run(steps);
        sum += _holdings() + _health();
        (_epoch, _loss, _turnover) = (_epoch + 1, sum, sum + 1);
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata token) external {
        IERC20(abi.decode(token, (address))).transfer(msg.sender, uint256(delta0 > 0 ? delta0 : delta1));
    }

    function _run(Step[] calldata steps) private {
        uint256 previous = 0;
        for (uint256 i = 0; i < steps.length; i++) {
            Step calldata step = steps[i];
            uint256 amount = step.amount == type(uint256).max - 1 ? previous : step.amount;
            if (step.kind == StepKind.Withdraw) {
                previous = POOL.withdraw(step.token, amount, address(this));
            } else if (step.kind == StepKind.Borrow) {
                POOL.borrow(step.token, amount, 2, 0, address(this));
            } else if (step.kind == StepKind.SwapExactIn) {
                bool first = IUniswapV3Pool(step.pool).token0() == step.token;
                (int256 delta0, int256 delta1) = IUniswapV3Pool(step.pool).swap(
                    address(this), first, int256(amount), first ? LOWEST : HIGHEST, abi.encode(step.token)
                );
                previous = uint256(first ? -delta1 : -delta0);
            } else {
                IERC20(step.token).approve(address(POOL), amount);
                if (step.kind == StepKind.Supply) POOL.supply(step.token, amount, address(this), 0);
                else POOL.repay(step.token, amount, 2, address(this));
            }
        }
    }

    function _holdings() private view returns (uint256 sum) {
        sum += _of(T0) + _of(T1) + _of(T2) + _of(T3) + _of(T4);
        sum += _of(R1) + _of(R2) + _of(R3) + _of(D0);
    }

    function _of(address token) private view returns (uint256) {
        return IERC20(token).balanceOf(address(this));
    }

    function _prices() private view returns (uint256) {
        return _price(T0, F0) + _price(T1, F1) + _price(T2, F2) + _price(T3, F3);
    }

    function _price(address token, address feed) private view returns (uint256) {
        (, int256 answer,,,) = IFeed(feed).latestRoundData();
        return uint256(answer) + ORACLE.getAssetPrice(token);
    }

    function _health() private view returns (uint256 factor) {
        (,,,,, factor) = POOL.getUserAccountData(address(this));
    }
}
