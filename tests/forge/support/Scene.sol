// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {AaveV3Account} from "portfolio/accounts/AaveV3Account.sol";
import {Asset, IPolicyRegistry, Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {Flash, Step, StepKind} from "portfolio/interfaces/IPortfolio.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {PolicyRegistry} from "portfolio/PolicyRegistry.sol";
import {Portfolio} from "portfolio/Portfolio.sol";
import {PriceBook} from "portfolio/PriceBook.sol";
import {Rebalancer} from "portfolio/Rebalancer.sol";
import {Checks} from "./Checks.sol";
import {IMarket} from "./IMarket.sol";
// Named only so that forge compiles it: `deployCode` finds it by name, and a test does not carry its code.
import {Market} from "./Market.sol";

/// @notice A vault on the market, with two Aave accounts, five assets and seven pools, and words to drive it.
abstract contract Scene is Checks {
    uint256 internal constant ALL = type(uint256).max;
    uint256 internal constant PREVIOUS = type(uint256).max - 1;
    uint256 internal constant USDC = 1e6;
    uint256 internal constant WAD = 1e18;
    address internal constant KEEPER = address(0xBEE1);
    address internal constant GUARDIAN = address(0xBEE2);
    address internal constant OPERATIONS = address(0xBEE3);
    address internal constant STRANGER = address(0xBEE4);
    address internal constant DEPOSITOR = address(0xBEE5);

    IMarket internal m;
    TimelockController internal timelock;
    PolicyRegistry internal registry;
    PriceBook internal book;
    Portfolio internal portfolio;
    Rebalancer internal rebalancer;
    AaveV3Account internal implementation;
    string[] internal listed;

    Step[] private _plan;

    /// @param withUni Whether UNI is listed; the market has it in any case.
    function setScene(bool withUni) internal {
        m = IMarket(vm.deployCode("Market.sol:Market"));
        m.openPools();
        vm.warp(block.timestamp + 5 hours);
        m.refresh();
        timelock = new TimelockController(1 days, new address[](0), new address[](0), address(this));
        registry = new PolicyRegistry(
            PolicyRegistry.Roles(address(timelock), KEEPER, GUARDIAN, OPERATIONS),
            policyByDefault(),
            IUniswapV3Factory(m.factory()),
            30 days
        );
        book = new PriceBook(address(registry));
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        portfolio = new Portfolio(registry, m.at("USDC"), next);
        rebalancer = new Rebalancer(registry, book, portfolio);
        implementation = new AaveV3Account(IPool(m.pool()));
        listed = withUni ? _names("USDC", "WBTC", "WETH", "LINK", "UNI") : _names("USDC", "WBTC", "WETH", "LINK", "");
        registry.setUp(_setUp());
        vm.warp(block.timestamp + 1 days);
        m.refresh();
    }

    /// @dev Overridden where the shares are there.
    function sharesContract() internal virtual returns (address) {
        return address(this);
    }

    function accountsByDefault() internal pure virtual returns (uint256) {
        return 2;
    }

    /// @dev The shipped policy: the tightest that the backtest never meets, the first purchase among it. See docs/vault.md.
    function policyByDefault() internal pure virtual returns (Policy memory) {
        return Policy({
            minHealth: 1.35e18,
            emergencyHealth: 1.25e18,
            targetHealth: 1.35e18,
            ripcordHealth: 1.15e18,
            maxLeverage: 2.1e18,
            minInterval: 600,
            ripcordInterval: 900,
            maxLossBps: 130,
            dailyLossBps: 130,
            dailyTurnoverBps: 14_000,
            maxGapBps: 100,
            guardianLossBps: 10,
            emergencyLossBps: 150,
            ripcordLossBps: 150
        });
    }

    function assetOf(string memory symbol) internal view virtual returns (Asset memory) {
        bool cash = _same(symbol, "USDC");
        uint8 decimals = uint8(m.decimalsOf(symbol));
        return Asset({
            token: m.at(symbol),
            decimals: decimals,
            dustExponent: decimals - (_same(symbol, "WBTC") ? 5 : _same(symbol, "WETH") ? 4 : 1),
            maxWeightBps: 11_000,
            slippageBps: 100,
            lagBps: cash ? 25 : 50,
            enabled: true,
            borrowable: cash
        });
    }

    function _setUp() private returns (PolicyRegistry.SetUp memory s) {
        s.portfolio = address(portfolio);
        s.rebalancer = address(rebalancer);
        s.shares = sharesContract();
        s.book = book;
        s.assets = new Asset[](listed.length);
        s.feeds = new IPolicyRegistry.FeedListing[](listed.length);
        for (uint256 i = 0; i < listed.length; i++) {
            s.assets[i] = assetOf(listed[i]);
            s.feeds[i] = IPolicyRegistry.FeedListing(m.feed(listed[i]), 1 days + 1 hours);
        }
        s.pools = new address[](listed.length == 5 ? 7 : 5);
        s.pools[0] = m.poolOf("WETH", "USDC", 500);
        s.pools[1] = m.poolOf("WBTC", "USDC", 3_000);
        s.pools[2] = m.poolOf("WBTC", "WETH", 500);
        s.pools[3] = m.poolOf("LINK", "USDC", 3_000);
        s.pools[4] = m.poolOf("LINK", "WETH", 3_000);
        if (listed.length == 5) s.pools[5] = m.poolOf("UNI", "USDC", 3_000);
        if (listed.length == 5) s.pools[6] = m.poolOf("UNI", "WETH", 3_000);
        s.implementations = new address[](accountsByDefault());
        s.categories = new uint8[](accountsByDefault());
        for (uint256 i = 0; i < s.implementations.length; i++) {
            s.implementations[i] = address(implementation);
        }
    }

    // ---------------------------------------------------------------- steps

    /// @notice Steps are added one by one to a plan, which `rebalance` and the others take and clear.
    function supply(uint8 where, string memory symbol, uint256 amount) internal {
        _plan.push(Step(StepKind.Supply, where, m.at(symbol), address(0), amount, 0));
    }

    function withdraw(uint8 where, string memory symbol, uint256 amount) internal {
        _plan.push(Step(StepKind.Withdraw, where, m.at(symbol), address(0), amount, 0));
    }

    function borrow(uint8 where, uint256 amount) internal {
        _plan.push(Step(StepKind.Borrow, where, m.at("USDC"), address(0), amount, 0));
    }

    function repay(uint8 where, uint256 amount) internal {
        _plan.push(Step(StepKind.Repay, where, m.at("USDC"), address(0), amount, 0));
    }

    function sell(string memory symbol, uint256 amount, address pool) internal {
        _plan.push(Step(StepKind.SwapExactIn, 0, m.at(symbol), pool, amount, 0));
    }

    function buy(string memory symbol, uint256 amount, uint256 most, address pool) internal {
        _plan.push(Step(StepKind.SwapExactOut, 0, m.at(symbol), pool, amount, most));
    }

    function taken() internal returns (Step[] memory steps) {
        steps = _plan;
        delete _plan;
    }

    // ---------------------------------------------------------------- calls

    function rebalance(uint256 loan) internal {
        (bool done, bytes memory answer) = tryRebalance(loan);
        passed(done, answer);
    }

    function passed(bool done, bytes memory answer) internal pure {
        if (done) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// @dev The steps are taken whatever comes of it.
    function tryRebalance(uint256 loan) internal returns (bool done, bytes memory answer) {
        Step[] memory steps = taken();
        bytes memory call = abi.encodeCall(
            IRebalancer.rebalance,
            (rebalancer.state().epoch, block.timestamp, Flash(0, m.at("USDC"), loan), steps)
        );
        vm.prank(KEEPER);
        (done, answer) = address(rebalancer).call(call);
    }

    function tryLower(address who, uint256 loan) internal returns (bool done, bytes memory answer) {
        Step[] memory steps = taken();
        IRebalancer.State memory s = rebalancer.state();
        bytes memory call = abi.encodeCall(
            IRebalancer.deleverage,
            (who == GUARDIAN ? s.guardianEpoch : s.epoch, block.timestamp, Flash(0, m.at("USDC"), loan), steps)
        );
        vm.prank(who);
        (done, answer) = address(rebalancer).call(call);
    }

    function tryRipcord(address who, uint256 loan) internal returns (bool done, bytes memory answer) {
        Step[] memory steps = taken();
        bytes memory call =
            abi.encodeCall(IRebalancer.ripcord, (block.timestamp, Flash(0, m.at("USDC"), loan), steps));
        vm.prank(who);
        (done, answer) = address(rebalancer).call(call);
    }

    function tryWindDown(address who, uint256 loan) internal returns (bool done, bytes memory answer) {
        Step[] memory steps = taken();
        bytes memory call =
            abi.encodeCall(IRebalancer.windDown, (block.timestamp, Flash(0, m.at("USDC"), loan), steps));
        vm.prank(who);
        (done, answer) = address(rebalancer).call(call);
    }

    function refusedBy(bytes memory answer, bytes4 selector, string memory what) internal pure {
        if (bytes4(answer) != selector) revert Failed(what, uint32(bytes4(answer)), uint32(selector));
    }

    /// @notice Days pass and every feed goes on.
    function wait_(uint256 time) internal {
        vm.warp(block.timestamp + time);
        m.refresh();
    }

    // ---------------------------------------------------------------- states

    function setPolicy(Policy memory p) internal {
        vm.prank(address(timelock));
        registry.setPolicy(p);
    }

    /// @dev Overridden where the money comes through the shares.
    function _fundPortfolio(uint256 amount) internal virtual {
        m.fund("USDC", address(portfolio), amount);
    }

    /// @notice 100,000 USDC, levered to 1.8 on account 0: WBTC, WETH and LINK, a fifth of the last in the vault.
    /// @dev Account 1 stays empty. Funded directly: the shares have their own tests.
    function leveredTo18() internal {
        _fundPortfolio(100_000 * USDC);
        for (uint256 i = 0; i < 3; i++) {
            if (i != 0) borrow(0, (i == 1 ? 20_000 : 60_000) * USDC);
            sell("USDC", 20_000 * USDC, m.poolOf("WETH", "USDC", 500));
            supply(0, "WETH", PREVIOUS);
            sell("USDC", 20_000 * USDC, m.poolOf("WBTC", "USDC", 3_000));
            supply(0, "WBTC", PREVIOUS);
            sell("USDC", 20_000 * USDC, m.poolOf("LINK", "USDC", 3_000));
            supply(0, "LINK", PREVIOUS);
            rebalance(0);
            wait_(1 days + 8 hours);
        }
    }

    function nav() internal view returns (uint256 usd) {
        (address[] memory tokens, int256[] memory net,) = portfolio.holdings();
        int256 sum = 0;
        for (uint256 i = 0; i < tokens.length; i++) {
            sum += net[i] * int256(m.price(listed[i])) / int256(10 ** m.decimalsOf(listed[i]));
        }
        return uint256(sum);
    }

    function account(uint256 i) internal view returns (AaveV3Account) {
        return AaveV3Account(registry.accounts()[i]);
    }

    function worth(string memory symbol) internal view returns (uint256 usd) {
        return account(0).supplied(m.at(symbol)) * m.price(symbol) / 10 ** m.decimalsOf(symbol);
    }

    function units(string memory symbol, uint256 usd) internal view returns (uint256) {
        return usd * 10 ** m.decimalsOf(symbol) / m.price(symbol);
    }

    /// @notice The listed tokens as leaving in kind wants them.
    function sortedTokens() internal view returns (address[] memory tokens) {
        tokens = new address[](listed.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            address token = m.at(listed[i]);
            uint256 k = i;
            for (; k > 0 && tokens[k - 1] > token; k--) tokens[k] = tokens[k - 1];
            tokens[k] = token;
        }
    }

    function poolUsd(address pool, string memory a, string memory b) internal view returns (uint256) {
        return IERC20(m.at(a)).balanceOf(pool) * m.price(a) / 10 ** m.decimalsOf(a)
            + IERC20(m.at(b)).balanceOf(pool) * m.price(b) / 10 ** m.decimalsOf(b);
    }

    function _same(string memory a, string memory b) internal pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    function _names(string memory a, string memory b, string memory c, string memory d, string memory e)
        private
        pure
        returns (string[] memory names)
    {
        names = new string[](bytes(e).length == 0 ? 4 : 5);
        (names[0], names[1], names[2], names[3]) = (a, b, c, d);
        if (bytes(e).length != 0) names[4] = e;
    }
}
