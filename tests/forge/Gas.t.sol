// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAaveOracle} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IAaveOracle.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IV3SwapRouter} from "@uniswap/swap-router-contracts/contracts/interfaces/IV3SwapRouter.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {Flash, Step, StepKind} from "portfolio/interfaces/IPortfolio.sol";
import {Bare} from "./support/Bare.sol";
import {Scene} from "./support/Scene.sol";

/// @notice What whole calls cost, beside three others: the same operations sent one by one by an account of its own to
/// Aave and to Uniswap's router, with and without the allowances that they need; all of them in one call of a contract
/// that checks nothing (`bare`); and in one call of it that reads and stores what the checks need (`floor`). Each is a
/// transaction: its 21,000, its calldata and its refund are counted.
/// forge-config: default.isolate = true
contract GasTest is Scene {
    address private constant DIRECT = address(0xD1EC7);
    string private constant ROUTER_JSON =
        "node_modules/@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json";

    struct Today {
        uint256 vault;
        uint256 direct; // with allowances
        uint256 floor;
    }

    IPool private _pool;
    address private _router;
    Bare private _bare;

    function accountsByDefault() internal pure override returns (uint256) {
        return 1;
    }

    function setUp() public {
        setScene(true);
        leveredTo18();
        _pool = IPool(m.pool());
        bytes memory code = abi.encodePacked(
            vm.parseJsonBytes(vm.readFile(ROUTER_JSON), ".bytecode"),
            abi.encode(address(0), m.factory(), address(0), address(0))
        );
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        _router = made;
        string[3] memory symbols = ["WETH", "WBTC", "LINK"];
        for (uint256 i = 0; i < 3; i++) {
            uint256 amount = units(symbols[i], 60_000e8);
            m.fund(symbols[i], DIRECT, amount);
            _allow(m.at(symbols[i]), m.pool(), amount);
            _send(m.pool(), abi.encodeCall(IPool.supply, (m.at(symbols[i]), amount, DIRECT, 0)));
        }
        _send(m.pool(), abi.encodeCall(IPool.borrow, (m.at("USDC"), 80_000 * USDC, 2, 0, DIRECT)));
        m.fund("WETH", address(portfolio), 10e18);
        m.fund("USDC", address(portfolio), 20_000 * USDC);
        m.fund("WETH", DIRECT, 10e18);
        _setBare();
        wait_(1 days + 8 hours);
    }

    function _setBare() private {
        Bare.Known[] memory known = new Bare.Known[](listed.length);
        for (uint256 i = 0; i < known.length; i++) {
            address token = m.at(listed[i]);
            known[i] = Bare.Known(
                token, _pool.getReserveAToken(token), _pool.getReserveVariableDebtToken(token), m.feed(listed[i])
            );
        }
        _bare = new Bare(_pool, IAaveOracle(m.oracle()), known);
        string[3] memory symbols = ["WETH", "WBTC", "LINK"];
        for (uint256 i = 0; i < 3; i++) {
            uint256 amount = units(symbols[i], 60_000e8);
            m.fund(symbols[i], address(_bare), amount);
            supply(0, symbols[i], amount);
        }
        borrow(0, 80_000 * USDC);
        _bare.run(false, false, taken());
        m.fund("WETH", address(_bare), 10e18);
    }

    // ---------------------------------------------------------------- each leaves nothing behind

    function _vaultGas(Step[] memory steps, bool lowering) private returns (uint256 gas_) {
        uint256 id = vm.snapshotState();
        uint256 epoch = rebalancer.state().epoch;
        Flash memory none = Flash(0, m.at("USDC"), 0);
        vm.prank(KEEPER);
        if (lowering) rebalancer.deleverage(epoch, block.timestamp, none, steps);
        else rebalancer.rebalance(epoch, block.timestamp, none, steps);
        gas_ = vm.lastCallGas().gasTotalUsed;
        vm.revertToState(id);
    }

    function _bareGas(Step[] memory steps, bool checked, bool lowering) private returns (uint256 gas_) {
        uint256 id = vm.snapshotState();
        _bare.run(checked, lowering, steps);
        gas_ = vm.lastCallGas().gasTotalUsed;
        vm.revertToState(id);
    }

    function _directGas(Step[] memory steps) private returns (uint256 spent, uint256 allowances) {
        uint256 id = vm.snapshotState();
        uint256 previous = 0;
        for (uint256 i = 0; i < steps.length; i++) {
            Step memory step = steps[i];
            uint256 amount = step.amount == PREVIOUS ? previous : step.amount;
            bool swaps = step.kind == StepKind.SwapExactIn;
            if (swaps || step.kind == StepKind.Supply || step.kind == StepKind.Repay) {
                allowances += _allow(step.token, swaps ? _router : m.pool(), amount);
            }
            if (swaps) {
                address bought = _other(step);
                previous = IERC20(bought).balanceOf(DIRECT);
                spent += _swap(step, bought);
                previous = IERC20(bought).balanceOf(DIRECT) - previous;
            } else {
                spent += _send(m.pool(), _lending(step, amount));
            }
        }
        vm.revertToState(id);
    }

    function _lending(Step memory step, uint256 amount) private pure returns (bytes memory) {
        if (step.kind == StepKind.Withdraw) return abi.encodeCall(IPool.withdraw, (step.token, amount, DIRECT));
        if (step.kind == StepKind.Borrow) return abi.encodeCall(IPool.borrow, (step.token, amount, 2, 0, DIRECT));
        if (step.kind == StepKind.Repay) return abi.encodeCall(IPool.repay, (step.token, amount, 2, DIRECT));
        return abi.encodeCall(IPool.supply, (step.token, amount, DIRECT, 0));
    }

    function _other(Step memory step) private view returns (address) {
        IUniswapV3Pool pool = IUniswapV3Pool(step.pool);
        return pool.token0() == step.token ? pool.token1() : pool.token0();
    }

    function _swap(Step memory step, address bought) private returns (uint256) {
        bytes memory path = abi.encodePacked(step.token, IUniswapV3Pool(step.pool).fee(), bought);
        IV3SwapRouter.ExactInputParams memory p = IV3SwapRouter.ExactInputParams(path, DIRECT, step.amount, 0);
        return _send(_router, abi.encodeCall(IV3SwapRouter.exactInput, (p)));
    }

    function _allow(address token, address spender, uint256 amount) private returns (uint256) {
        return _send(token, abi.encodeCall(IERC20.approve, (spender, amount)));
    }

    function _send(address to, bytes memory call) private returns (uint256 gas_) {
        vm.prank(DIRECT);
        (bool done, bytes memory answer) = to.call(call);
        gas_ = vm.lastCallGas().gasTotalUsed;
        passed(done, answer);
    }

    // ---------------------------------------------------------------- calls

    function _etherToBitcoin() private {
        withdraw(0, "WETH", 2e18);
        sell("WETH", 2e18, m.poolOf("WETH", "USDC", 500));
        sell("USDC", 3_900 * USDC, m.poolOf("WBTC", "USDC", 3_000));
        supply(0, "WBTC", PREVIOUS);
    }

    function test_3_steps_a_way_down() public {
        withdraw(0, "WETH", 2e18);
        sell("WETH", 2e18, m.poolOf("WETH", "USDC", 500));
        repay(0, PREVIOUS);
        _compare(true, Today(696_700, 627_300, 634_700));
    }

    function test_4_steps_ether_to_bitcoin() public {
        _etherToBitcoin();
        _compare(false, Today(783_700, 792_500, 664_900));
    }

    function test_5_steps_and_a_loan() public {
        _etherToBitcoin();
        borrow(0, 5_000 * USDC);
        _compare(false, Today(924_800, 1_084_700, 789_800));
    }

    function test_7_steps_of_all_kinds() public {
        repay(0, 5_000 * USDC);
        _etherToBitcoin();
        supply(0, "WETH", 1e18);
        borrow(0, 5_000 * USDC);
        _compare(false, Today(1_036_700, 1_434_300, 874_200));
    }

    /// @dev Today's figures, within a hundredth: a change of any is seen here first.
    function _compare(bool lowering, Today memory today) private {
        Step[] memory steps = taken();
        (uint256 spent, uint256 allowances) = _directGas(steps);
        uint256 floor = _bareGas(steps, true, lowering);
        uint256 vault = _vaultGas(steps, lowering);
        say("in the vault", vault);
        say("direct, with allowances", spent + allowances);
        say("direct, allowances given before", spent);
        say("bare: the steps alone, in one call", _bareGas(steps, false, lowering));
        say("floor: with what the checks read and store", floor);
        _isToday(vault, today.vault, "in the vault: say so here and in docs/vault.md");
        _isToday(spent + allowances, today.direct, "the protocols' own");
        _isToday(floor, today.floor, "the floor");
        atMost(vault, (spent + allowances) * 112 / 100, "more than an eighth above the protocols' own");
    }

    function _isToday(uint256 figure, uint256 today, string memory what) private pure {
        atMost(figure, today * 101 / 100, what);
        atLeast(figure, today * 99 / 100, what);
    }
}
