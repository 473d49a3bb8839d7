// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IV3SwapRouter} from "@uniswap/swap-router-contracts/contracts/interfaces/IV3SwapRouter.sol";
import {Flash, Step} from "portfolio/interfaces/IPortfolio.sol";
import {Scene} from "./support/Scene.sol";

/// @notice What whole calls cost, beside the same operations sent by an account of its own to Aave and to Uniswap's
/// router, with and without the allowances that they need. Each call is a transaction of its own: its 21,000, its
/// calldata and its refund are counted.
/// forge-config: default.isolate = true
contract GasTest is Scene {
    address private constant DIRECT = address(0xD1EC7);
    string private constant ROUTER_JSON =
        "node_modules/@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json";


    IPool private _pool;
    address private _router;
    uint256 private _spent;
    uint256 private _allowances;

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
            _do(m.at(symbols[i]), abi.encodeCall(IERC20.approve, (m.pool(), amount)));
            _do(m.pool(), abi.encodeCall(IPool.supply, (m.at(symbols[i]), amount, DIRECT, 0)));
        }
        _do(m.pool(), abi.encodeCall(IPool.borrow, (m.at("USDC"), 80_000 * USDC, 2, 0, DIRECT)));
        m.fund("WETH", address(portfolio), 10e18);
        m.fund("USDC", address(portfolio), 20_000 * USDC);
        m.fund("WETH", DIRECT, 10e18);
        wait_(1 days + 8 hours);
    }

    function _do(address to, bytes memory call) private {
        vm.prank(DIRECT);
        (bool done, bytes memory answer) = to.call(call);
        uint256 gas_ = vm.lastCallGas().gasTotalUsed;
        if (bytes4(call) == IERC20.approve.selector) _allowances += gas_;
        else _spent += gas_;
        passed(done, answer);
    }

    function _swap(string memory sold, string memory bought, uint24 fee, uint256 amount) private {
        _do(m.at(sold), abi.encodeCall(IERC20.approve, (_router, amount)));
        IV3SwapRouter.ExactInputParams memory p =
            IV3SwapRouter.ExactInputParams(abi.encodePacked(m.at(sold), fee, m.at(bought)), DIRECT, amount, 0);
        _do(_router, abi.encodeCall(IV3SwapRouter.exactInput, (p)));
    }

    function _rebalanceGas() private returns (uint256) {
        Step[] memory steps = taken();
        uint256 epoch = rebalancer.state().epoch;
        Flash memory none = Flash(0, m.at("USDC"), 0);
        vm.prank(KEEPER);
        rebalancer.rebalance(epoch, block.timestamp, none, steps);
        return vm.lastCallGas().gasTotalUsed;
    }

    function test_ether_to_bitcoin() public {
        withdraw(0, "WETH", 2e18);
        sell("WETH", 2e18, m.poolOf("WETH", "USDC", 500));
        sell("USDC", 3_900 * USDC, m.poolOf("WBTC", "USDC", 3_000));
        supply(0, "WBTC", PREVIOUS);
        uint256 within_ = _rebalanceGas();
        (_spent, _allowances) = (0, 0);
        _do(m.pool(), abi.encodeCall(IPool.withdraw, (m.at("WETH"), 2e18, DIRECT)));
        _swap("WETH", "USDC", 500, 2e18);
        _swap("USDC", "WBTC", 3_000, 3_900 * USDC);
        uint256 bought = IERC20(m.at("WBTC")).balanceOf(DIRECT);
        _do(m.at("WBTC"), abi.encodeCall(IERC20.approve, (m.pool(), bought)));
        _do(m.pool(), abi.encodeCall(IPool.supply, (m.at("WBTC"), bought, DIRECT, 0)));
        _compare("ether to bitcoin, 4 steps", within_, 928_000, 745_000);
    }

    function test_all_kinds() public {
        repay(0, 5_000 * USDC);
        withdraw(0, "WETH", 2e18);
        sell("WETH", 2e18, m.poolOf("WETH", "USDC", 500));
        sell("USDC", 3_900 * USDC, m.poolOf("WBTC", "USDC", 3_000));
        supply(0, "WBTC", PREVIOUS);
        supply(0, "WETH", 1e18);
        borrow(0, 5_000 * USDC);
        uint256 within_ = _rebalanceGas();
        (_spent, _allowances) = (0, 0);
        _do(m.at("USDC"), abi.encodeCall(IERC20.approve, (m.pool(), 5_000 * USDC)));
        _do(m.pool(), abi.encodeCall(IPool.repay, (m.at("USDC"), 5_000 * USDC, 2, DIRECT)));
        _do(m.pool(), abi.encodeCall(IPool.withdraw, (m.at("WETH"), 2e18, DIRECT)));
        _swap("WETH", "USDC", 500, 2e18);
        _swap("USDC", "WBTC", 3_000, 3_900 * USDC);
        uint256 bought = IERC20(m.at("WBTC")).balanceOf(DIRECT);
        _do(m.at("WBTC"), abi.encodeCall(IERC20.approve, (m.pool(), bought)));
        _do(m.pool(), abi.encodeCall(IPool.supply, (m.at("WBTC"), bought, DIRECT, 0)));
        _do(m.at("WETH"), abi.encodeCall(IERC20.approve, (m.pool(), 1e18)));
        _do(m.pool(), abi.encodeCall(IPool.supply, (m.at("WETH"), 1e18, DIRECT, 0)));
        _do(m.pool(), abi.encodeCall(IPool.borrow, (m.at("USDC"), 5_000 * USDC, 2, 0, DIRECT)));
        _compare("all kinds, 7 steps", within_, 1_180_000, 1_369_000);
    }

    function test_a_way_down() public {
        withdraw(0, "WETH", 2e18);
        sell("WETH", 2e18, m.poolOf("WETH", "USDC", 500));
        repay(0, PREVIOUS);
        Step[] memory steps = taken();
        uint256 epoch = rebalancer.state().epoch;
        Flash memory none = Flash(0, m.at("USDC"), 0);
        vm.prank(KEEPER);
        rebalancer.deleverage(epoch, block.timestamp, none, steps);
        uint256 within_ = vm.lastCallGas().gasTotalUsed;
        (_spent, _allowances) = (0, 0);
        _do(m.pool(), abi.encodeCall(IPool.withdraw, (m.at("WETH"), 2e18, DIRECT)));
        _swap("WETH", "USDC", 500, 2e18);
        _do(m.at("USDC"), abi.encodeCall(IERC20.approve, (m.pool(), 3_900 * USDC)));
        _do(m.pool(), abi.encodeCall(IPool.repay, (m.at("USDC"), 3_900 * USDC, 2, DIRECT)));
        _compare("a way down, 3 steps", within_, 865_000, 585_500);
    }

    /// @dev Both figures of today, within a hundredth: a change of either is seen here first.
    function _compare(string memory what, uint256 within_, uint256 today, uint256 directToday) private view {
        uint256 direct = _spent + _allowances;
        say(string.concat(what, ": in a call"), within_);
        say(string.concat(what, ": direct, with allowances"), direct);
        say(string.concat(what, ": direct, allowances given before"), _spent);
        atMost(within_, today * 101 / 100, "dearer than today");
        atLeast(within_, today * 99 / 100, "cheaper than today: say so here and in docs/vault.md");
        atMost(direct, directToday * 101 / 100, "the protocols' own");
        atLeast(direct, directToday * 99 / 100, "the protocols' own");
    }
}
