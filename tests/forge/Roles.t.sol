// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {Asset, IPolicyRegistry, Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "portfolio/interfaces/IPortfolio.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {PolicyRegistry} from "portfolio/PolicyRegistry.sol";
import {Portfolio} from "portfolio/Portfolio.sol";
import {PriceBook} from "portfolio/PriceBook.sol";
import {Rebalancer} from "portfolio/Rebalancer.sol";
import {Scene} from "./support/Scene.sol";

contract RolesTest is Scene {
    function setUp() public {
        setScene(false);
    }

    function deploy(address admin, address keeper, address guardian, address operations) external {
        new PolicyRegistry(
            PolicyRegistry.Roles(admin, keeper, guardian, operations),
            policyByDefault(),
            IUniswapV3Factory(m.factory()),
            30 days
        );
    }

    function test_roles_are_distinct_and_the_admin_is_a_timelock_of_a_day() public {
        address admin = address(timelock);
        TimelockController hasty = new TimelockController(1 hours, new address[](0), new address[](0), address(this));
        vm.expectPartialRevert(IPolicyRegistry.TimelockTooShort.selector);
        this.deploy(address(hasty), KEEPER, GUARDIAN, OPERATIONS);
        vm.expectPartialRevert(IPolicyRegistry.TimelockTooShort.selector);
        this.deploy(STRANGER, KEEPER, GUARDIAN, OPERATIONS);
        address[4] memory people = [admin, KEEPER, GUARDIAN, OPERATIONS];
        for (uint256 i = 0; i < 4; i++) {
            for (uint256 k = i + 1; k < 4; k++) {
                address[4] memory r = people;
                r[k] = r[i];
                vm.expectPartialRevert(IPolicyRegistry.RolesNotDistinct.selector);
                this.deploy(r[0], r[1], r[2], r[3]);
            }
        }
        this.deploy(admin, KEEPER, GUARDIAN, OPERATIONS);
    }

    function test_a_timelock_that_shortened_its_delay_loosens_nothing() public {
        vm.prank(address(timelock));
        timelock.updateDelay(1 minutes);
        Policy memory p = policyByDefault();
        vm.prank(address(timelock));
        vm.expectPartialRevert(IPolicyRegistry.TimelockTooShort.selector);
        registry.setPolicy(p);
    }

    function test_loosening_takes_the_timelocks_day() public {
        Policy memory p = policyByDefault();
        p.dailyLossBps = 150;
        bytes memory call = abi.encodeCall(registry.setPolicy, (p));
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(this));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(this));
        timelock.schedule(address(registry), 0, call, bytes32(0), bytes32(0), 1 days);
        vm.warp(block.timestamp + 1 days - 1);
        vm.expectRevert();
        timelock.execute(address(registry), 0, call, bytes32(0), bytes32(0));
        vm.warp(block.timestamp + 1);
        timelock.execute(address(registry), 0, call, bytes32(0), bytes32(0));
        eq(registry.policy().dailyLossBps, 150, "loosened");
    }

    function test_guardian_and_operations_tighten_pause_and_remove_at_once_and_loosen_nothing() public {
        Policy memory p = policyByDefault();
        p.dailyLossBps = 50;
        p.maxLossBps = 50;
        p.minHealth = 1.5e18;
        vm.prank(OPERATIONS);
        registry.tighten(p);
        eq(registry.policy().minHealth, 1.5e18, "tightened");
        p.dailyLossBps = 51;
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(IPolicyRegistry.NotTighter.selector);
        registry.tighten(p);
        address weth = m.at("WETH");
        address pool = m.poolOf("WETH", "USDC", 500);
        vm.startPrank(GUARDIAN);
        registry.pause();
        registry.removeKeeper();
        registry.disableAsset(weth);
        registry.removePool(pool);
        vm.stopPrank();
        check(registry.paused() && registry.keeper() == address(0), "paused, no keeper");
        check(!registry.pool(pool).listed && !registry.assets()[2].enabled, "removed");
        bytes[4] memory calls = [
            abi.encodeCall(registry.unpause, ()),
            abi.encodeCall(registry.setKeeper, (STRANGER)),
            abi.encodeCall(registry.setPolicy, (p)),
            abi.encodeCall(registry.propose, (IPolicyRegistry.Listing.Pool, abi.encode(pool)))
        ];
        address[4] memory callers = [GUARDIAN, OPERATIONS, KEEPER, STRANGER];
        for (uint256 i = 0; i < 4; i++) {
            for (uint256 k = 0; k < 4; k++) {
                vm.prank(callers[k]);
                (bool done, bytes memory answer) = address(registry).call(calls[i]);
                check(!done, "loosened");
                refusedBy(answer, IPolicyRegistry.NotAllowed.selector, "not allowed");
            }
        }
    }

    /// @dev The rebalancer keeps the page and the pause of its own: it is told of every change in the change itself.
    function test_what_the_registry_writes_holds_in_the_next_call() public {
        m.fund("USDC", address(portfolio), 1_000 * USDC);
        address pool = m.poolOf("WETH", "USDC", 500);
        uint256 id = vm.snapshotState();
        bytes[4] memory calls = [
            abi.encodeCall(registry.pause, ()),
            abi.encodeCall(registry.removeKeeper, ()),
            abi.encodeCall(registry.disableAsset, (m.at("WETH"))),
            abi.encodeCall(registry.removePool, (pool))
        ];
        bytes4[4] memory refusals = [
            IRebalancer.VaultPaused.selector,
            IPortfolio.CallerNotAllowed.selector,
            IPortfolio.StepRefused.selector,
            IPortfolio.StepRefused.selector
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            vm.prank(OPERATIONS);
            (bool done, bytes memory answer) = address(registry).call(calls[i]);
            passed(done, answer);
            sell("USDC", 1_000 * USDC, pool);
            (done, answer) = tryRebalance(0);
            check(!done, "as before the change");
            refusedBy(answer, refusals[i], "refused by the change");
            vm.revertToState(id);
        }
        sell("USDC", 1_000 * USDC, pool);
        rebalance(0);
        vm.prank(STRANGER);
        vm.expectPartialRevert(IPortfolio.CallerNotAllowed.selector);
        rebalancer.follow(address(this), false);
    }

    function test_operations_and_admin_pause_whatever_has_become_of_the_page() public {
        vm.etch(registry.page(), "");
        vm.prank(GUARDIAN);
        vm.expectRevert();
        registry.pause();
        address[2] memory callers = [OPERATIONS, address(timelock)];
        for (uint256 i = 0; i < 2; i++) {
            uint256 id = vm.snapshotState();
            vm.prank(callers[i]);
            registry.pause();
            check(registry.paused(), "paused");
            vm.revertToState(id);
        }
    }

    /// @dev A guardian who could raise emergencyHealth would open the emergency's budget himself.
    function test_nobody_but_the_admin_moves_the_healths_of_an_emergency() public {
        Policy memory p = policyByDefault();
        p.emergencyHealth = 1.28e18;
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(IPolicyRegistry.NotTighter.selector);
        registry.tighten(p);
        p.emergencyHealth = 1.2e18;
        vm.prank(GUARDIAN);
        vm.expectPartialRevert(IPolicyRegistry.NotTighter.selector);
        registry.tighten(p);
    }

    function test_the_admin_has_hard_bounds() public {
        Policy[14] memory bad;
        for (uint256 i = 0; i < bad.length; i++) {
            bad[i] = policyByDefault();
        }
        bad[0].dailyLossBps = 151;
        bad[1].maxLossBps = 131;
        bad[2].guardianLossBps = 11;
        bad[3].emergencyLossBps = 201;
        bad[4].ripcordLossBps = 151;
        bad[5].minHealth = 1.04e18;
        bad[6].emergencyHealth = 1.3e18;
        bad[7].ripcordHealth = 1.26e18;
        bad[8].targetHealth = 1.36e18;
        bad[9].maxLeverage = 4.1e18;
        bad[10].maxGapBps = 301;
        bad[11].dailyTurnoverBps = 30_001;
        bad[12].minInterval = 8 days;
        bad[13].emergencyLossBps = 99;
        for (uint256 i = 0; i < bad.length; i++) {
            vm.prank(address(timelock));
            vm.expectPartialRevert(IPolicyRegistry.PolicyOutOfBounds.selector);
            registry.setPolicy(bad[i]);
        }
    }

    // ---------------------------------------------------------------- listings

    function _proposed(IPolicyRegistry.Listing kind, bytes memory data) private {
        vm.prank(address(timelock));
        registry.propose(kind, data);
    }

    function test_a_new_asset_waits_and_must_agree_with_the_venue() public {
        Asset memory uni = assetOf("UNI");
        FeedStub wrong = new FeedStub(int256(m.price("UNI") * 2));
        bytes memory data = abi.encode(uni, IPolicyRegistry.FeedListing(address(wrong), 1 days));
        vm.expectPartialRevert(IPolicyRegistry.NotProposed.selector);
        registry.activate(IPolicyRegistry.Listing.Asset, data);
        _proposed(IPolicyRegistry.Listing.Asset, data);
        vm.expectPartialRevert(IPolicyRegistry.TooEarly.selector);
        registry.activate(IPolicyRegistry.Listing.Asset, data);
        wait_(2 days);
        vm.expectPartialRevert(IPolicyRegistry.AssetRefused.selector);
        registry.activate(IPolicyRegistry.Listing.Asset, data);
        bytes memory right = abi.encode(uni, IPolicyRegistry.FeedListing(m.feed("UNI"), 1 days));
        _proposed(IPolicyRegistry.Listing.Asset, right);
        wait_(2 days);
        vm.prank(STRANGER);
        registry.activate(IPolicyRegistry.Listing.Asset, right);
        check(registry.isListed(uni.token), "listed");
    }

    function test_an_account_that_fails_to_remember_stops_no_listing() public {
        Asset memory uni = assetOf("UNI");
        bytes memory data = abi.encode(uni, IPolicyRegistry.FeedListing(m.feed("UNI"), 1 days));
        _proposed(IPolicyRegistry.Listing.Asset, data);
        wait_(2 days);
        vm.mockCallRevert(address(account(1)), abi.encodeWithSelector(ILendingAccount.remember.selector), "broken");
        registry.activate(IPolicyRegistry.Listing.Asset, data);
        vm.clearMockedCalls();
        check(registry.isListed(uni.token), "listed");
        m.fund("UNI", address(portfolio), 1e18);
        supply(1, "UNI", ALL);
        rebalance(0);
        (, int256[] memory net,) = portfolio.holdings();
        atLeast(uint256(net[4]), 1e18 - 1, "the account learns it when it is used");
    }

    function test_a_guardian_cancels_a_listing() public {
        bytes memory data = abi.encode(m.poolOf("UNI", "WETH", 3_000));
        _proposed(IPolicyRegistry.Listing.Pool, data);
        bytes32 id = keccak256(abi.encode(IPolicyRegistry.Listing.Pool, data));
        vm.prank(GUARDIAN);
        registry.cancelListing(id);
        wait_(2 days);
        vm.expectPartialRevert(IPolicyRegistry.NotProposed.selector);
        registry.activate(IPolicyRegistry.Listing.Pool, data);
    }

    function test_a_pool_must_be_the_factorys_deep_and_observed() public {
        address shallow = m.openPool("LINK", "WETH", 500, 10_000, 1e18);
        address fresh = m.openPool("WBTC", "WETH", 10_000, 1_000_000, 1e18);
        address unlisted = m.poolOf("UNI", "WETH", 3_000);
        address[3] memory pools = [shallow, fresh, unlisted];
        for (uint256 i = 0; i < 3; i++) {
            bytes memory data = abi.encode(pools[i]);
            _proposed(IPolicyRegistry.Listing.Pool, data);
        }
        vm.warp(block.timestamp + 2 days);
        m.refresh();
        // Opened while the proposal waited: deep, and nobody has observed its price.
        vm.expectPartialRevert(IPolicyRegistry.PoolRefused.selector);
        registry.activate(IPolicyRegistry.Listing.Pool, abi.encode(shallow));
        vm.expectPartialRevert(IPolicyRegistry.PoolRefused.selector);
        registry.activate(IPolicyRegistry.Listing.Pool, abi.encode(unlisted));
        registry.activate(IPolicyRegistry.Listing.Pool, abi.encode(fresh));
        IPolicyRegistry.PoolListing memory listing = registry.pool(fresh);
        check(listing.listed && listing.fee == 10_000, "two days old by now");
        eq(listing.token0, IUniswapV3Pool(fresh).token0(), "token0");
        eq(listing.token1, IUniswapV3Pool(fresh).token1(), "token1");
        eq(registry.pool(unlisted).token1, address(0), "never listed");
        vm.prank(OPERATIONS);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.PoolRefused.selector, unlisted, bytes32("pool")));
        registry.removePool(unlisted);
    }

    function test_a_vault_without_its_rebalancer_is_not_set_up() public {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 3);
        (PolicyRegistry fresh, PolicyRegistry.SetUp memory s) = _fresh(next);
        Rebalancer right = new Rebalancer(fresh, s.book, Portfolio(s.portfolio));
        s.rebalancer = STRANGER;
        vm.expectPartialRevert(IPolicyRegistry.NotAllowed.selector);
        fresh.setUp(s);
        s.rebalancer = address(right);
        fresh.setUp(s);
        (fresh, s) = _fresh(address(0));
        vm.expectRevert();
        fresh.setUp(s);
    }

    /// @dev Not set up, its portfolio made for `next`.
    function _fresh(address next) private returns (PolicyRegistry made, PolicyRegistry.SetUp memory s) {
        PolicyRegistry.Roles memory roles = PolicyRegistry.Roles(address(timelock), KEEPER, GUARDIAN, OPERATIONS);
        made = new PolicyRegistry(roles, policyByDefault(), IUniswapV3Factory(m.factory()), 30 days);
        s.book = new PriceBook(address(made));
        s.portfolio = address(new Portfolio(made, m.at("USDC"), next));
        s.rebalancer = next;
    }

    function test_the_deployer_has_one_call() public {
        PolicyRegistry.SetUp memory s;
        vm.expectPartialRevert(IPolicyRegistry.AlreadySetUp.selector);
        registry.setUp(s);
        vm.prank(STRANGER);
        vm.expectPartialRevert(IPolicyRegistry.NotAllowed.selector);
        registry.setUp(s);
    }
}

contract FeedStub {
    uint8 public constant decimals = 8;
    int256 private immutable ANSWER;

    constructor(int256 answer) {
        ANSWER = answer;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, ANSWER, block.timestamp, block.timestamp, 1);
    }
}
