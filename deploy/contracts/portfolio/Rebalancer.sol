// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {Flash, IPortfolio, Step} from "./interfaces/IPortfolio.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {IPriceBook} from "./interfaces/IPriceBook.sol";
import {Frame, Frames, Holdings} from "./Frames.sol";
import {PackedAsset} from "./PackedAssets.sol";
import {PolicyPage, PolicyPages} from "./PolicyPages.sol";
import {HealthFloors} from "./HealthFloors.sol";
import {Orders} from "./Orders.sol";
import {StepChecks} from "./StepChecks.sol";
import {Window} from "./Windows.sol";

/// @title What the keeper, the guardian and strangers may do with the vault's money.
contract Rebalancer is IRebalancer, ReentrancyGuardTransient {
    using Math for uint256;

    uint256 private constant WAD = 1e18;
    uint256 private constant BPS = 10_000;
    /// @dev A window's unit: parts of NAV in 1e-7. Outside they are told in 1e-9.
    uint256 private constant PART = 1e7;
    uint256 private constant PARTS_PER_BPS = PART / BPS;
    uint256 private constant TOLD_PER_PART = 1e9 / PART;
    uint256 private constant KEEPER = 1;
    uint256 private constant GUARDIAN = 2;
    /// @dev The first account's bit, alone.
    uint256 private constant FIRST = 1;
    /// @dev After an emergency nothing is borrowed for a day, so that the same debt cannot be repaid at a loss again.
    uint256 private constant LEVERING_PAUSE = 1 days;

    IPolicyRegistry public immutable REGISTRY;
    IPriceBook public immutable BOOK;
    IPortfolio public immutable PORTFOLIO;

    // One slot: what every call writes.
    uint64 private _epoch;
    uint32 private _guardianEpoch;
    uint40 private _lastCall;
    uint40 private _lastKeeper;
    uint40 private _lastRipcord;
    uint40 private _leveringClosedUntil;
    // One slot: what every call outside an emergency writes.
    Window private _loss;
    Window private _turnover;
    // One slot, the registry's: what every call reads.
    address private _page;
    bool private _paused;
    // One slot.
    uint128 private _reserved;
    Window private _guardianLoss;

    modifier onlyShares() {
        if (msg.sender != REGISTRY.shares()) revert IPortfolio.CallerNotAllowed(msg.sender);
        _;
    }

    constructor(IPolicyRegistry registry, IPriceBook book, IPortfolio portfolio) {
        REGISTRY = registry;
        BOOK = book;
        PORTFOLIO = portfolio;
    }

    // ---------------------------------------------------------------- the keeper's

    function rebalance(uint256 expectedEpoch, uint256 deadline, Flash calldata loan, Step[] calldata steps)
        external
        nonReentrant
    {
        Frame memory f = _frame();
        if (f.roles & KEEPER == 0) revert IPortfolio.CallerNotAllowed(msg.sender);
        if (_paused) revert VaultPaused();
        _enter(expectedEpoch, deadline);
        uint256 notBefore = uint256(_lastKeeper) + f.limits.minInterval();
        if (block.timestamp < notBefore) revert TooSoon(notBefore, block.timestamp);
        _lastKeeper = uint40(block.timestamp);

        _look(f, steps, false);
        if (!f.sequencerUp) revert SequencerDown();
        if (f.borrows && block.timestamp < _leveringClosedUntil) revert LeveringClosed(_leveringClosedUntil);
        (Holdings memory h, uint256 lossUsd, uint256 soldUsd) = _run(f, loan);

        _spendDaily(f, lossUsd, soldUsd);
        _checkHealth(f, h);
        _checkShape(f, h);
        _checkReserved(f, h);
        emit Rebalanced(_epoch, f.navUsd, lossUsd, soldUsd);
    }

    function deleverage(uint256 expectedEpoch, uint256 deadline, Flash calldata loan, Step[] calldata steps)
        external
        nonReentrant
    {
        Frame memory f = _frame();
        bool guardian = f.roles & GUARDIAN != 0;
        if (!guardian && f.roles & KEEPER == 0) revert IPortfolio.CallerNotAllowed(msg.sender);
        if (guardian) {
            if (expectedEpoch != _guardianEpoch) revert WrongEpoch(expectedEpoch, _guardianEpoch);
            _guardianEpoch++;
            _enter(_epoch, deadline);
        } else {
            _enter(expectedEpoch, deadline);
            _lastKeeper = uint40(block.timestamp);
        }
        _look(f, steps, true);
        bool emergency = _allBelow(f, f.levels.emergencyHealth());
        (Holdings memory h, uint256 lossUsd, uint256 repaidUsd, uint256 soldUsd) = _lower(f, loan);
        if (emergency) {
            _closeEmergency(f, lossUsd, repaidUsd, f.limits.emergencyLossBps());
        } else {
            if (guardian) {
                uint256 limit = f.limits.guardianLossBps() * PARTS_PER_BPS;
                _guardianLoss = _guardianLoss.spend(_part(lossUsd, f.navUsd), limit);
            } else {
                _spendDaily(f, lossUsd, soldUsd);
            }
            _checkReserved(f, h);
        }
        _tell(f, emergency, repaidUsd, lossUsd);
    }

    // ---------------------------------------------------------------- anybody's

    function ripcord(uint256 deadline, Flash calldata loan, Step[] calldata steps) external nonReentrant {
        Frame memory f = _stranger(deadline, steps);
        uint256 notBefore = uint256(_lastRipcord) + f.limits.ripcordInterval();
        if (block.timestamp < notBefore) revert TooSoon(notBefore, block.timestamp);
        _lastRipcord = uint40(block.timestamp);
        if (!_allBelow(f, f.levels.ripcordHealth())) revert NotArmed(f.levels.ripcordHealth());
        (, uint256 lossUsd, uint256 repaidUsd,) = _lower(f, loan);
        _closeEmergency(f, lossUsd, repaidUsd, f.limits.ripcordLossBps());
        _tell(f, true, repaidUsd, lossUsd);
    }

    function windDown(uint256 deadline, Flash calldata loan, Step[] calldata steps) external nonReentrant {
        uint256 from = REGISTRY.silentFrom(_lastKeeper);
        if (block.timestamp <= from) revert NotSilent(from);
        Frame memory f = _stranger(deadline, steps);
        (, uint256 lossUsd, uint256 repaidUsd,) = _lower(f, loan);
        _requireLoss(lossUsd, repaidUsd.mulDiv(f.limits.ripcordLossBps(), BPS));
        _tell(f, false, repaidUsd, lossUsd);
    }

    // ---------------------------------------------------------------- the registry's and the shares'

    function follow(address page, bool paused) external {
        if (msg.sender != address(REGISTRY)) revert IPortfolio.CallerNotAllowed(msg.sender);
        (_page, _paused) = (page, paused);
    }

    function reserve(uint256 amount) external onlyShares {
        _reserved = uint128(amount);
        emit Reserved(amount);
    }

    // ---------------------------------------------------------------- views

    function silent() external view returns (bool) {
        return block.timestamp > REGISTRY.silentFrom(_lastKeeper);
    }

    function state() external view returns (State memory) {
        return State({
            epoch: _epoch,
            guardianEpoch: _guardianEpoch,
            lastCall: _lastCall,
            lastKeeper: _lastKeeper,
            lastRipcord: _lastRipcord,
            leveringClosedUntil: _leveringClosedUntil,
            reserved: _reserved,
            loss: _loss.used() * TOLD_PER_PART,
            turnover: _turnover.used() * TOLD_PER_PART,
            guardianLoss: _guardianLoss.used() * TOLD_PER_PART
        });
    }

    // ---------------------------------------------------------------- before a call

    function _enter(uint256 expectedEpoch, uint256 deadline) private {
        if (expectedEpoch != _epoch) revert WrongEpoch(expectedEpoch, _epoch);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
        _epoch++;
        _lastCall = uint40(block.timestamp);
    }

    /// @dev On a rollup whose sequencer was down nobody else could act on what the feeds now say.
    function _stranger(uint256 deadline, Step[] calldata steps) private returns (Frame memory f) {
        f = _frame();
        _enter(_epoch, deadline);
        _look(f, steps, true);
        if (!f.sequencerUp) revert SequencerDown();
    }

    function _frame() private view returns (Frame memory f) {
        PolicyPage memory page = PolicyPages.read(_page);
        f.roles = msg.sender == page.keeper ? KEEPER : msg.sender == page.guardian ? GUARDIAN : 0;
        (f.levels, f.limits, f.tokens, f.assets) = (page.healths, page.limits, page.tokens, page.assets);
        (f.pools, f.accounts) = (page.pools, page.accounts);
    }

    /// @dev Everything that can be refused before anything moves.
    function _look(Frame memory f, Step[] calldata steps, bool lowering) private view {
        f.lowering = lowering;
        f.before = _holdings(f, lowering);
        StepChecks.check(f, steps, BOOK);
        (f.navUsd,) = Frames.value(f.assets, f.quotes, f.before);
        f.healths = new uint256[](f.accounts.length);
        if (!lowering) return;
        if (f.touched == FIRST) {
            f.healths[0] = HealthFloors.floor(f, f.before);
            f.floored = f.healths[0] >= f.levels.emergencyHealth();
            if (f.floored) return;
        }
        for (uint256 i = 0; i < f.healths.length; i++) {
            if (_isTouched(f, i)) f.healths[i] = _health(f, i);
        }
    }

    function _holdings(Frame memory f, bool weighed) private view returns (Holdings memory) {
        return Frames.holdings(f.tokens, f.accounts, address(PORTFOLIO), weighed);
    }

    function _health(Frame memory f, uint256 account) private view returns (uint256) {
        return ILendingAccount(f.accounts[account]).healthFactor();
    }

    function _isTouched(Frame memory f, uint256 account) private pure returns (bool) {
        return (f.touched >> account) & 1 != 0;
    }

    // ---------------------------------------------------------------- after a call

    function _run(Frame memory f, Flash calldata loan)
        private
        returns (Holdings memory h, uint256 lossUsd, uint256 soldUsd)
    {
        soldUsd = PORTFOLIO.run(loan, Orders.encode(f.orders));
        // Whoever lowers is weighed before, whoever rebalances after.
        h = _holdings(f, !f.lowering);
        lossUsd = Frames.loss(f.assets, f.quotes, f.before, h);
    }

    function _lower(Frame memory f, Flash calldata loan)
        private
        returns (Holdings memory h, uint256 lossUsd, uint256 repaidUsd, uint256 soldUsd)
    {
        (h, lossUsd, soldUsd) = _run(f, loan);
        uint256 raisedUsd;
        (repaidUsd, raisedUsd) = Frames.repaid(f.assets, f.quotes, f.before.owed, h.owed);
        if (repaidUsd <= raisedUsd) revert DebtNotLowered(repaidUsd, raisedUsd);
        if (f.floored) {
            if (!HealthFloors.hasRisen(f, h)) {
                uint256 health = _health(f, 0);
                // Where no debt is left, all collateral may have gone.
                if (health != type(uint256).max) revert HealthNotRaised(0, f.healths[0], health);
            }
            return (h, lossUsd, repaidUsd, soldUsd);
        }
        for (uint256 i = 0; i < f.healths.length; i++) {
            if (!_isTouched(f, i)) continue;
            (uint256 before, uint256 health) = (f.healths[i], _health(f, i));
            // Without debt, before as after, there is nothing to raise.
            if (health <= before && health != type(uint256).max) revert HealthNotRaised(i, before, health);
            f.healths[i] = health;
        }
    }

    function _tell(Frame memory f, bool emergency, uint256 repaidUsd, uint256 lossUsd) private {
        emit Lowered(_epoch, msg.sender, emergency, f.navUsd, repaidUsd, lossUsd);
    }

    function _allBelow(Frame memory f, uint256 health) private pure returns (bool) {
        for (uint256 i = 0; i < f.healths.length; i++) {
            if (_isTouched(f, i) && f.healths[i] >= health) return false;
        }
        return f.touched != 0;
    }

    function _closeEmergency(Frame memory f, uint256 lossUsd, uint256 repaidUsd, uint256 bps) private {
        _requireLoss(lossUsd, repaidUsd.mulDiv(bps, BPS));
        for (uint256 i = 0; i < f.healths.length; i++) {
            (uint256 health, uint256 target) = (f.healths[i], f.levels.targetHealth());
            // Those that were not touched have 0 here.
            if (health > target) revert HealthBeyondTarget(i, health, target);
        }
        _leveringClosedUntil = uint40(block.timestamp + LEVERING_PAUSE);
    }

    function _spendDaily(Frame memory f, uint256 lossUsd, uint256 soldUsd) private {
        _requireLoss(lossUsd, f.navUsd.mulDiv(f.limits.maxLossBps(), BPS));
        _loss = _loss.spend(_part(lossUsd, f.navUsd), f.limits.dailyLossBps() * PARTS_PER_BPS);
        _turnover = _turnover.spend(_part(soldUsd, f.navUsd), f.limits.dailyTurnoverBps() * PARTS_PER_BPS);
    }

    function _part(uint256 usd, uint256 navUsd) private pure returns (uint256) {
        return usd == 0 ? 0 : usd.mulDiv(PART, Math.max(navUsd, 1), Math.Rounding.Ceil);
    }

    function _requireLoss(uint256 lossUsd, uint256 limitUsd) private pure {
        if (lossUsd > limitUsd) revert LossAboveLimit(lossUsd, limitUsd);
    }

    /// @dev Also of accounts that the call left alone: while one is in need, cash is for its debt and not for more risk.
    function _checkHealth(Frame memory f, Holdings memory h) private view {
        for (uint256 i = 0; i < f.accounts.length; i++) {
            if (i == 0 && HealthFloors.floor(f, h) >= f.levels.minHealth()) continue;
            uint256 health = _health(f, i);
            if (health < f.levels.minHealth()) revert HealthTooLow(i, health, f.levels.minHealth());
        }
    }

    /// @dev Only what the call bought is held against its weight: prices and strangers' gifts move the others.
    function _checkShape(Frame memory f, Holdings memory h) private pure {
        (uint256 navUsd, uint256 risky) = Frames.value(f.assets, f.quotes, h);
        uint256 leverage = 0;
        if (risky != 0) leverage = navUsd == 0 ? type(uint256).max : risky.mulDiv(WAD, navUsd, Math.Rounding.Ceil);
        if (leverage > f.limits.maxLeverage()) revert LeverageTooHigh(leverage, f.limits.maxLeverage());
        for (uint256 i = 1; i < h.gross.length; i++) {
            (PackedAsset asset, uint256 gross) = (f.assets[i], h.gross[i]);
            if (gross < f.before.gross[i] + asset.dust()) continue;
            uint256 usd = gross.mulDiv(f.quotes[i].price, asset.unit());
            uint256 weight = usd.mulDiv(BPS, navUsd, Math.Rounding.Ceil);
            if (weight > asset.maxWeightBps()) revert WeightTooHigh(f.tokens[i], weight, asset.maxWeightBps());
        }
    }

    function _checkReserved(Frame memory f, Holdings memory h) private view {
        if (h.cash >= f.before.cash) return;
        uint256 needed = Math.min(f.before.cash, _reserved);
        if (h.cash < needed) revert CashReserved(h.cash, needed);
    }
}
