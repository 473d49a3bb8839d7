// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {Bucket, LeakyBucket} from "./vault/LeakyBucket.sol";
import {VaultRegistry} from "./vault/VaultRegistry.sol";
import {VaultSteps} from "./vault/VaultSteps.sol";

/// @title A vault of leveraged collateral that its keeper can steer and cannot rob.
/// @notice Depositors bring and take the accounting asset, which is also the asset that the vault owes. Shares are
/// priced by the vault's feeds. Withdrawals are served from the idle accounting asset, up to all of it.
contract RiskParityVault is ERC4626, VaultSteps, ReentrancyGuardTransient {
    using Math for uint256;

    /// @dev Strangers may fill this part of the emergency budget; the rest stays the keeper's and the guardian's.
    uint256 private constant RIPCORD_BUDGET_DIVISOR = 2;

    /// @dev assets[0] is the accounting asset's own entry.
    struct Deployment {
        IERC20 asset;
        string name;
        string symbol;
        IPool lendingPool;
        address swapRouter;
        address swapFactory;
        address admin;
        address keeper;
        address guardian;
        Policy policy;
        AssetConfig[] assets;
        uint24[] feeTiers;
        address sequencerFeed;
        uint32 sequencerGracePeriod;
    }

    constructor(Deployment memory d)
        ERC20(d.name, d.symbol)
        ERC4626(d.asset)
        VaultRegistry(d.lendingPool, d.swapRouter, d.swapFactory, address(d.asset))
    {
        if (d.admin == address(0)) revert InvalidPolicy("admin");
        _grantRole(DEFAULT_ADMIN_ROLE, d.admin);
        _grantRole(KEEPER_ROLE, d.keeper);
        _grantRole(GUARDIAN_ROLE, d.guardian);
        _setPolicy(d.policy);
        if (d.assets.length == 0 || d.assets[0].token != address(d.asset)) {
            revert InvalidAsset(address(d.asset), "accounting");
        }
        for (uint256 i = 0; i < d.assets.length; i++) {
            _setAsset(d.assets[i]);
            if (_listings.length == i) revert InvalidAsset(d.assets[i].token, "duplicate");
        }
        for (uint256 i = 0; i < d.feeTiers.length; i++) {
            _setFeeTier(d.feeTiers[i], true);
        }
        _setSequencerFeed(d.sequencerFeed, d.sequencerGracePeriod);
    }

    // ------------------------------------------------------------- the keeper

    function rebalance(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps)
        external
        nonReentrant
        onlyRole(KEEPER_ROLE)
        whenNotPaused
    {
        _enter(expectedEpoch, deadline);
        Policy memory limits = _policy;
        uint256 notBefore = uint256(_lastRebalance) + limits.minInterval;
        if (block.timestamp < notBefore) revert TooSoon(notBefore, block.timestamp);
        _lastRebalance = uint64(block.timestamp);
        _revertOn(_sequencerTrouble());

        Listing[] memory listings = _listings;
        Step[] memory plan = steps;
        bool[] memory touched = _checkSteps(listings, plan);
        uint256[] memory amounts = _holdings(listings);
        uint256[] memory prices = _soundPrices(listings, amounts, touched, limits.maxOracleGapBps);
        uint256 navBefore = _value(listings, amounts, prices).navUsd;
        uint256 soldUsd = _execute(flashAmount, plan, listings, prices);
        Valuation memory afterwards = _value(listings, _holdings(listings), prices);

        uint256 loss = _checkLoss(navBefore, afterwards.navUsd, limits.maxLossBps);
        _lossBucket = _withLoss(_lossBucket, loss, limits.maxDailyLossBps, limits.maxDailyLossBps);
        _spendTurnover(soldUsd, navBefore, limits.maxDailyTurnoverBps * WAD_PER_BPS);
        uint256 healthFactor = _healthFactor();
        if (healthFactor < limits.minHealthFactor) {
            revert HealthFactorBelowFloor(healthFactor, limits.minHealthFactor);
        }
        uint256 leverage = _leverage(afterwards);
        if (leverage > limits.maxLeverage) revert LeverageAboveCap(leverage, limits.maxLeverage);
        _checkWeights(listings, afterwards);
        emit Rebalanced(expectedEpoch + 1, navBefore, afterwards.navUsd, healthFactor, leverage);
    }

    function deleverage(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps)
        external
        nonReentrant
    {
        if (!hasRole(KEEPER_ROLE, msg.sender) && !hasRole(GUARDIAN_ROLE, msg.sender)) {
            revert CallerNotKeeperOrGuardian(msg.sender);
        }
        _enter(expectedEpoch, deadline);
        _lower(flashAmount, steps, _policy.maxDailyEmergencyLossBps);
    }

    function ripcord(uint256 expectedEpoch, uint256 deadline, uint256 flashAmount, Step[] calldata steps)
        external
        nonReentrant
    {
        _enter(expectedEpoch, deadline);
        uint256 healthBefore = _healthFactor();
        if (healthBefore >= _policy.ripcordHealthFactor) {
            revert RipcordNotArmed(healthBefore, _policy.ripcordHealthFactor);
        }
        uint256 notBefore = uint256(_lastRipcord) + _policy.ripcordInterval;
        if (block.timestamp < notBefore) revert TooSoon(notBefore, block.timestamp);
        _lastRipcord = uint64(block.timestamp);

        uint256 healthAfter =
            _lower(flashAmount, steps, _policy.maxDailyEmergencyLossBps / RIPCORD_BUDGET_DIVISOR);
        if (healthAfter > _policy.ripcordTargetHealthFactor) {
            revert RipcordBeyondTarget(healthAfter, _policy.ripcordTargetHealthFactor);
        }
    }

    function _enter(uint256 expectedEpoch, uint256 deadline) private {
        if (expectedEpoch != _epoch) revert WrongEpoch(expectedEpoch, _epoch);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
        _epoch = uint64(expectedEpoch) + 1;
    }

    function _lower(uint256 flashAmount, Step[] memory steps, uint256 dailyLimitBps)
        private
        returns (uint256 healthAfter)
    {
        Listing[] memory listings = _listings;
        bool[] memory touched = _checkSteps(listings, steps);
        _requireLowering(steps);
        uint256[] memory amounts = _holdings(listings);
        uint256[] memory prices = _lastPrices(listings, amounts, touched);
        Valuation memory before = _value(listings, amounts, prices);
        uint256 healthBefore = _healthFactor();

        _execute(flashAmount, steps, listings, prices);

        Valuation memory afterwards = _value(listings, _holdings(listings), prices);
        healthAfter = _healthFactor();
        if (afterwards.debt >= before.debt) revert DebtNotLowered(before.debt, afterwards.debt);
        if (healthAfter <= healthBefore) revert HealthFactorNotRaised(healthBefore, healthAfter);
        uint256 loss = _checkLoss(before.navUsd, afterwards.navUsd, _policy.maxEmergencyLossBps);
        _emergencyLossBucket =
            _withLoss(_emergencyLossBucket, loss, _policy.maxDailyEmergencyLossBps, dailyLimitBps);
        emit Deleveraged(_epoch, msg.sender, before.navUsd, afterwards.navUsd, healthAfter);
    }

    // ------------------------------------------------------------- the limits

    /// @return loss Fraction of the net asset value before, 1e18, rounded up; 0 for a gain.
    /// @dev A vault already worth nothing has nothing left to lose: it may still be wound down.
    function _checkLoss(uint256 navBefore, uint256 navAfter, uint256 limitBps) private pure returns (uint256 loss) {
        if (navAfter >= navBefore) return 0;
        uint256 lossBps = (navBefore - navAfter).mulDiv(BPS, navBefore, Math.Rounding.Ceil);
        if (lossBps > limitBps) revert LossAboveLimit(lossBps, limitBps);
        return (navBefore - navAfter).mulDiv(WAD, navBefore, Math.Rounding.Ceil);
    }

    function _withLoss(Bucket bucket, uint256 loss, uint256 drainBps, uint256 limitBps)
        private
        view
        returns (Bucket)
    {
        uint256 used = bucket.levelNow(drainBps * WAD_PER_BPS) + loss;
        if (loss != 0 && used > limitBps * WAD_PER_BPS) revert DailyLossAboveLimit(used, limitBps * WAD_PER_BPS);
        return LeakyBucket.filledTo(used);
    }

    function _spendTurnover(uint256 soldUsd, uint256 navBefore, uint256 limit) private {
        if (soldUsd == 0) return;
        if (navBefore == 0) revert DailyTurnoverAboveLimit(type(uint256).max, limit);
        uint256 used = _turnoverBucket.levelNow(limit) + soldUsd.mulDiv(WAD, navBefore, Math.Rounding.Ceil);
        if (used > limit) revert DailyTurnoverAboveLimit(used, limit);
        _turnoverBucket = LeakyBucket.filledTo(used);
    }

    function _checkWeights(Listing[] memory listings, Valuation memory valuation) private pure {
        for (uint256 i = 1; i < valuation.valuesUsd.length; i++) {
            if (valuation.valuesUsd[i] == 0) continue;
            uint256 weightBps = valuation.valuesUsd[i].mulDiv(BPS, valuation.navUsd, Math.Rounding.Ceil);
            uint256 capBps = listings[i].maxWeightBps;
            if (weightBps > capBps) revert WeightAboveCap(listings[i].token, weightBps, capBps);
        }
    }

    // -------------------------------------------------------------- ERC-4626

    /// @notice Collateral and cash less debt, in the accounting asset at the last oracle prices, rounded down.
    /// @dev Reverts with InvalidPrice when a held asset has no positive price.
    function totalAssets() public view override returns (uint256) {
        Listing[] memory listings = _listings;
        return _netAssets(listings, _holdings(listings));
    }

    /// @dev Closed while paused, without fair prices, and when all value is lost while shares are still out.
    function maxDeposit(address) public view override returns (uint256) {
        return _open() ? type(uint256).max : 0;
    }

    function maxMint(address) public view override returns (uint256) {
        return _open() ? type(uint256).max : 0;
    }

    /// @dev At most what lies idle; the keeper frees more on request.
    function maxWithdraw(address owner) public view override returns (uint256) {
        return _fairlyPriced() ? _withdrawable(owner, totalAssets()) : 0;
    }

    function maxRedeem(address owner) public view override returns (uint256) {
        return _fairlyPriced() ? _redeemable(owner, totalAssets()) : 0;
    }

    function deposit(uint256 amount, address receiver)
        public
        override
        nonReentrant
        whenNotPaused
        returns (uint256 shares)
    {
        uint256 total = _fairAssets();
        if (_ruined(total)) revert ERC4626ExceededMaxDeposit(receiver, amount, 0);
        shares = _toShares(amount, total, Math.Rounding.Floor);
        _deposit(msg.sender, receiver, amount, shares);
    }

    function mint(uint256 shares, address receiver)
        public
        override
        nonReentrant
        whenNotPaused
        returns (uint256 amount)
    {
        uint256 total = _fairAssets();
        if (_ruined(total)) revert ERC4626ExceededMaxMint(receiver, shares, 0);
        amount = _toAssets(shares, total, Math.Rounding.Ceil);
        _deposit(msg.sender, receiver, amount, shares);
    }

    function withdraw(uint256 amount, address receiver, address owner)
        public
        override
        nonReentrant
        returns (uint256 shares)
    {
        uint256 total = _fairAssets();
        uint256 most = _withdrawable(owner, total);
        if (amount > most) revert ERC4626ExceededMaxWithdraw(owner, amount, most);
        shares = _toShares(amount, total, Math.Rounding.Ceil);
        _withdraw(msg.sender, receiver, owner, amount, shares);
    }

    function redeem(uint256 shares, address receiver, address owner)
        public
        override
        nonReentrant
        returns (uint256 amount)
    {
        uint256 total = _fairAssets();
        uint256 most = _redeemable(owner, total);
        if (shares > most) revert ERC4626ExceededMaxRedeem(owner, shares, most);
        amount = _toAssets(shares, total, Math.Rounding.Floor);
        _withdraw(msg.sender, receiver, owner, amount, shares);
    }

    function _open() private view returns (bool) {
        return !paused() && _fairlyPriced() && !_ruined(totalAssets());
    }

    function _fairlyPriced() private view returns (bool) {
        Listing[] memory listings = _listings;
        return _sharePriceTrouble(listings, _holdings(listings)).fault == Fault.None;
    }

    /// @dev New shares would be all but free and would own any recovery.
    function _ruined(uint256 total) private view returns (bool) {
        return total == 0 && totalSupply() != 0;
    }

    function _withdrawable(address owner, uint256 total) private view returns (uint256) {
        return Math.min(_toAssets(balanceOf(owner), total, Math.Rounding.Floor), _idle(asset()));
    }

    function _redeemable(address owner, uint256 total) private view returns (uint256) {
        return Math.min(balanceOf(owner), _toShares(_idle(asset()), total, Math.Rounding.Floor));
    }

    function _convertToShares(uint256 amount, Math.Rounding rounding) internal view override returns (uint256) {
        return _toShares(amount, totalAssets(), rounding);
    }

    function _convertToAssets(uint256 shares, Math.Rounding rounding) internal view override returns (uint256) {
        return _toAssets(shares, totalAssets(), rounding);
    }

    function _toShares(uint256 amount, uint256 total, Math.Rounding rounding) private view returns (uint256) {
        return amount.mulDiv(totalSupply() + 10 ** _decimalsOffset(), total + 1, rounding);
    }

    function _toAssets(uint256 shares, uint256 total, Math.Rounding rounding) private view returns (uint256) {
        return shares.mulDiv(total + 1, totalSupply() + 10 ** _decimalsOffset(), rounding);
    }

    /// @dev Virtual shares: whoever donates to inflate the share price gives a millionfold of what they can take.
    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
