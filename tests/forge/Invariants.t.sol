// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Policy} from "portfolio/interfaces/IPolicyRegistry.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {VaultShares} from "portfolio/VaultShares.sol";
import {SharesScene} from "./support/SharesScene.sol";

/// @notice What anybody does with a vault, in any order: depositors, keeper, guardian, strangers and the market.
contract Handler is SharesScene {
    uint256 private constant MOST_TRADE = 20_000e8;

    address[3] public people = [address(0xA1), address(0xA2), address(0xA3)];
    uint256 public lastEpoch;
    uint256 public lastGuardianEpoch;
    uint256 private _closings;
    /// @dev Shares asked for and not left again, shares redeemed, and how often batches had closed when they were asked
    /// for.
    mapping(address who => uint256) private _asked;
    mapping(address who => uint256) private _redeemed;
    mapping(address who => uint256) private _generation;
    bool public epochFell;
    bool public orderBroken;
    bool public healthBroken;
    mapping(bytes32 what => uint256) public done;

    constructor() {
        setScene(true);
        leveredTo18();
        for (uint256 i = 0; i < 3; i++) {
            request(people[i], 10_000 * USDC);
        }
        closeBatches();
        settleDeposits();
    }

    modifier watched(bytes32 what) {
        _;
        done[what]++;
        IRebalancer.State memory s = rebalancer.state();
        if (s.epoch < lastEpoch || s.guardianEpoch < lastGuardianEpoch) epochFell = true;
        (lastEpoch, lastGuardianEpoch) = (s.epoch, s.guardianEpoch);
    }

    // ---------------------------------------------------------------- depositors

    function askIn(uint256 who, uint256 amount) external watched("askIn") {
        request(people[who % 3], within(amount, 1, 20_000 * USDC));
    }

    function askOut(uint256 who, uint256 part) external watched("askOut") {
        address p = people[who % 3];
        uint256 amount = shares.balanceOf(p) * within(part, 1, 100) / 100;
        if (_waiting(p) == 0) _generation[p] = _closings;
        requestRedeem(p, amount);
        _asked[p] += amount;
    }

    function cancel(uint256 who, bool deposits) external watched("cancel") {
        address p = people[who % 3];
        vm.prank(p);
        if (deposits) shares.cancelDeposit(p);
        else _asked[p] -= shares.cancelRedeem(p);
    }

    function closeBoth() external watched("close") {
        closeBatches();
        _closings++;
    }

    function settleIn() external watched("settleIn") {
        settleDeposits();
    }

    function settleOut() external watched("settleOut") {
        uint256[3] memory before;
        for (uint256 i = 0; i < 3; i++) {
            before[i] = shares.maxRedeem(people[i]);
        }
        settleRedemptions();
        for (uint256 i = 0; i < 3; i++) {
            if (shares.maxRedeem(people[i]) == before[i]) continue;
            for (uint256 k = 0; k < 3; k++) {
                bool older = _generation[people[k]] < _generation[people[i]];
                if (older && _waiting(people[k]) != 0) orderBroken = true;
            }
        }
    }

    function claimIn(uint256 who, uint256 part) external watched("claimIn") {
        address p = people[who % 3];
        uint256 amount = shares.maxDeposit(p) * within(part, 1, 100) / 100;
        vm.prank(p);
        shares.deposit(amount, p, p);
    }

    function claimOut(uint256 who, uint256 part) external watched("claimOut") {
        address p = people[who % 3];
        uint256 amount = shares.maxWithdraw(p) * within(part, 1, 100) / 100;
        vm.prank(p);
        _redeemed[p] += shares.withdraw(amount, p, p);
    }

    function give(uint256 what, uint256 amount, bool toAccount) external watched("give") {
        string memory symbol = listed[what % listed.length];
        uint256 raw = units(symbol, within(amount, 0, 10e8));
        m.fund(symbol, toAccount ? address(account(0)) : address(portfolio), raw);
    }

    // ---------------------------------------------------------------- keeper, guardian, strangers

    function buySome(uint256 what, uint256 usd, uint256 lent) external watched("buy") {
        string memory symbol = _risky(what);
        uint256 amount = within(usd, 1e8, MOST_TRADE) / 100;
        lent = within(lent, 0, amount);
        if (lent != 0) borrow(0, lent);
        sell("USDC", amount, _pool(symbol));
        supply(uint8(what % 2), symbol, PREVIOUS);
        (bool passed_,) = tryRebalance(0);
        if (passed_ && account(0).healthFactor() < registry.policy().minHealth) healthBroken = true;
        require(passed_);
    }

    function sellSome(uint256 what, uint256 usd, uint256 who) external watched("sell") {
        string memory symbol = _risky(what);
        withdraw(0, symbol, units(symbol, within(usd, 1e8, MOST_TRADE)));
        sell(symbol, PREVIOUS, _pool(symbol));
        bool passed_;
        if (who % 4 == 0) {
            (passed_,) = tryRebalance(0);
            if (passed_ && account(0).healthFactor() < registry.policy().minHealth) healthBroken = true;
        } else {
            uint256 before = account(0).healthFactor();
            repay(0, ALL);
            if (who % 4 == 1) (passed_,) = tryLower(KEEPER, 0);
            if (who % 4 == 2) (passed_,) = tryLower(GUARDIAN, 0);
            if (who % 4 == 3) (passed_,) = tryRipcord(STRANGER, 0);
            if (passed_ && account(0).healthFactor() < before) healthBroken = true;
        }
        require(passed_);
    }

    function pauseOrNot(uint256 die) external watched("pause") {
        bool paused = die % 8 == 0;
        vm.prank(paused ? GUARDIAN : address(timelock));
        if (paused) registry.pause();
        else registry.unpause();
    }

    function tightenLoss(uint256 bps) external watched("tighten") {
        Policy memory p = registry.policy();
        p.maxLossBps = uint16(within(bps, 80, p.maxLossBps));
        vm.prank(OPERATIONS);
        registry.tighten(p);
    }

    // ---------------------------------------------------------------- the market

    function pricesMove(uint256 by) external watched("prices") {
        m.moveAll(within(by, 0.97e18, 1.03e18));
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        m.arbitrage(m.poolOf("WBTC", "USDC", 3_000), "WBTC", "USDC");
        m.arbitrage(m.poolOf("LINK", "USDC", 3_000), "LINK", "USDC");
    }

    function timePasses(uint256 time) external watched("time") {
        wait_(within(time, 1, 12 hours));
    }

    // ---------------------------------------------------------------- views for the invariants

    function owedToQueue() external view returns (uint256 assets, uint256 ofShares) {
        (,, assets, ofShares) = shares.line();
        for (uint256 i = 0; i < 3; i++) {
            assets += shares.maxWithdraw(people[i]);
            ofShares += shares.maxMint(people[i]);
        }
        assets += shares.maxWithdraw(DEPOSITOR);
        ofShares += shares.maxMint(DEPOSITOR);
    }

    function sharesAddress() external view returns (VaultShares) {
        return shares;
    }

    function usdc() external view returns (IERC20) {
        return IERC20(m.at("USDC"));
    }

    function openAllowances() external view returns (uint256 sum) {
        for (uint256 i = 0; i < listed.length; i++) {
            IERC20 token = IERC20(m.at(listed[i]));
            for (uint256 k = 0; k < 2; k++) {
                sum += token.allowance(address(account(k)), m.pool());
                sum += token.allowance(address(portfolio), address(account(k)));
            }
            sum += token.allowance(address(shares), address(portfolio));
            sum += token.allowance(address(portfolio), m.pool());
        }
    }

    function windowsHold() external view returns (bool) {
        IRebalancer.State memory s = rebalancer.state();
        Policy memory p = policyByDefault();
        return s.loss <= uint256(p.dailyLossBps) * 1e5 && s.turnover <= uint256(p.dailyTurnoverBps) * 1e5
            && s.guardianLoss <= uint256(p.guardianLossBps) * 1e5;
    }

    function rolesHold() external view returns (bool) {
        return registry.admin() == address(timelock) && registry.keeper() == KEEPER
            && registry.guardian() == GUARDIAN && registry.operations() == OPERATIONS;
    }

    /// @dev The rebalancer's third slot: the page, and above it whether the vault is paused.
    function copiesHold() external view returns (bool) {
        uint256 word = uint256(vm.load(address(rebalancer), bytes32(uint256(2))));
        return address(uint160(word)) == registry.page() && (word >> 160 != 0) == registry.paused();
    }

    /// @dev A batch's roundings, of less than a millionth of a cent, are not somebody waiting.
    function _waiting(address p) private view returns (uint256 left) {
        left = _asked[p] - _redeemed[p] - shares.maxRedeem(p);
        return left < 1e3 ? 0 : left;
    }

    function _risky(uint256 what) private pure returns (string memory) {
        return ["WETH", "WBTC", "LINK"][what % 3];
    }

    function _pool(string memory symbol) private view returns (address) {
        return m.poolOf(symbol, "USDC", _same(symbol, "WETH") ? 500 : 3_000);
    }
}

contract InvariantsTest is SharesScene {
    Handler private _handler;

    function setUp() public {
        _handler = new Handler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_all() public view {
        (uint256 assets, uint256 ofShares) = _handler.owedToQueue();
        VaultShares s = _handler.sharesAddress();
        atLeast(_handler.usdc().balanceOf(address(s)), assets, "the queue's money is there");
        atLeast(s.balanceOf(address(s)), ofShares, "the queue's shares are there");
        eq(_handler.openAllowances(), 0, "no allowance outlives its call");
        check(_handler.windowsHold(), "no window gave more than its limit");
        check(_handler.rolesHold(), "nobody changed a role");
        check(_handler.copiesHold(), "the rebalancer's page and pause are the registry's");
        check(!_handler.epochFell(), "epochs rise");
        check(!_handler.orderBroken(), "older batches first");
        check(!_handler.healthBroken(), "health after a call");
    }

    function afterInvariant() external view {
        string[12] memory names = [
            "askIn", "askOut", "cancel", "close", "settleIn", "settleOut",
            "claimIn", "claimOut", "buy", "sell", "prices", "time"
        ];
        for (uint256 i = 0; i < names.length; i++) {
            say(names[i], _handler.done(bytes32(bytes(names[i]))));
        }
    }
}
