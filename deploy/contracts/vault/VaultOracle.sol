// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IPriceOracleGetter} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPriceOracleGetter.sol";
import {IAggregatorV3} from "./IAggregatorV3.sol";
import {VaultRegistry} from "./VaultRegistry.sol";

/// @notice What the vault holds and owes, and what that is worth by its feeds. No pool's spot price is ever read.
/// @dev Prices and holdings are arrays in the order of the listings; prices have 8 decimals, 0 where there is none.
abstract contract VaultOracle is VaultRegistry {
    using Math for uint256;

    /// @dev A holding worth less cannot block a call by its stale feed: anybody could donate it.
    uint256 internal constant DUST_USD = 1e8;

    enum Fault {
        None,
        Invalid,
        Stale,
        SequencerDown,
        SequencerFresh
    }

    /// @dev Why prices cannot be used; number is the answer, the time of the answer, or since when the sequencer is up.
    struct Trouble {
        Fault fault;
        address token;
        uint256 maxAge;
        int256 number;
    }

    /// @dev debt in raw units of the accounting asset
    struct Valuation {
        uint256 navUsd;
        uint256 grossUsd;
        uint256 debtUsd;
        uint256 debt;
        uint256[] valuesUsd;
    }

    function position() external view returns (Position memory) {
        Listing[] memory listings = _listings;
        uint256[] memory amounts = _holdings(listings);
        bool[] memory sold = new bool[](amounts.length);
        Valuation memory valuation = _value(listings, amounts, _lastPrices(listings, amounts, sold));
        return Position({
            navUsd: valuation.navUsd,
            grossUsd: valuation.grossUsd,
            debtUsd: valuation.debtUsd,
            leverage: _leverage(valuation),
            healthFactor: _healthFactor()
        });
    }

    // ---------------------------------------------------------- the position

    /// @return amounts Idle and supplied together, raw, per token.
    function _holdings(Listing[] memory listings) internal view returns (uint256[] memory amounts) {
        amounts = new uint256[](listings.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            amounts[i] = _idle(listings[i].token) + IERC20(listings[i].aToken).balanceOf(address(this));
        }
    }

    function _idle(address token) internal view returns (uint256) {
        return IERC20(token).balanceOf(address(this));
    }

    function _debt() internal view returns (uint256) {
        return IERC20(DEBT_TOKEN).balanceOf(address(this));
    }

    function _healthFactor() internal view returns (uint256 healthFactor) {
        (,,,,, healthFactor) = POOL.getUserAccountData(address(this));
    }

    /// @dev Assets rounded down, debt up; a negative net asset value is 0.
    function _value(Listing[] memory listings, uint256[] memory amounts, uint256[] memory prices)
        internal
        view
        returns (Valuation memory valuation)
    {
        valuation.valuesUsd = new uint256[](amounts.length);
        uint256 assetsUsd = 0;
        for (uint256 i = 0; i < amounts.length; i++) {
            uint256 valueUsd = amounts[i].mulDiv(prices[i], 10 ** listings[i].decimals);
            valuation.valuesUsd[i] = valueUsd;
            assetsUsd += valueUsd;
        }
        valuation.grossUsd = assetsUsd - valuation.valuesUsd[0];
        valuation.debt = _debt();
        valuation.debtUsd = valuation.debt.mulDiv(prices[0], 10 ** listings[0].decimals, Math.Rounding.Ceil);
        valuation.navUsd = assetsUsd > valuation.debtUsd ? assetsUsd - valuation.debtUsd : 0;
    }

    function _leverage(Valuation memory valuation) internal pure returns (uint256) {
        if (valuation.grossUsd == 0) return 0;
        if (valuation.navUsd == 0) return type(uint256).max;
        return valuation.grossUsd.mulDiv(WAD, valuation.navUsd, Math.Rounding.Ceil);
    }

    /// @dev For whoever comes or goes: net assets, or the reason why there is no fair share price now.
    function _fairAssets() internal view returns (uint256) {
        Listing[] memory listings = _listings;
        uint256[] memory amounts = _holdings(listings);
        _revertOn(_sharePriceTrouble(listings, amounts));
        return _netAssets(listings, amounts);
    }

    /// @dev In raw units of the accounting asset, whose own price matters only where something else is held.
    function _netAssets(Listing[] memory listings, uint256[] memory amounts) internal view returns (uint256) {
        uint256 accountingUnit = 10 ** listings[0].decimals;
        uint256 accountingPrice = 0;
        uint256 total = amounts[0];
        for (uint256 i = 1; i < amounts.length; i++) {
            if (amounts[i] == 0) continue;
            if (accountingPrice == 0) accountingPrice = _lastPrice(listings[0]);
            uint256 unit = 10 ** listings[i].decimals;
            total += amounts[i].mulDiv(_lastPrice(listings[i]) * accountingUnit, unit * accountingPrice);
        }
        uint256 debt = _debt();
        return total > debt ? total - debt : 0;
    }

    // ----------------------------------------------------------------- prices

    /// @dev For lowering and for reading: the last answer however old. What has none is not sold. It counts at the lending
    /// market's price, by which the health factor goes as well, so it cannot block a repayment that does not need it.
    function _lastPrices(Listing[] memory listings, uint256[] memory amounts, bool[] memory touched)
        internal
        view
        returns (uint256[] memory prices)
    {
        prices = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            if (amounts[i] == 0 && i != 0) continue;
            (int256 answer,) = _answer(listings[i]);
            if (answer > 0) {
                prices[i] = uint256(answer);
            } else if (i == 0 || !touched[i]) {
                prices[i] = _market().getAssetPrice(listings[i].token);
            }
            if (prices[i] == 0) revert InvalidPrice(listings[i].token, answer);
        }
    }

    function _lastPrice(Listing memory listing) private view returns (uint256) {
        (int256 answer,) = _answer(listing);
        if (answer <= 0) revert InvalidPrice(listing.token, answer);
        return uint256(answer);
    }

    /// @dev For levering: what is held or touched has a price that is valid, fresh, and agrees with the lending market's.
    function _soundPrices(
        Listing[] memory listings,
        uint256[] memory amounts,
        bool[] memory touched,
        uint256 maxGapBps
    ) internal view returns (uint256[] memory prices) {
        IPriceOracleGetter market = _market();
        prices = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            if (amounts[i] == 0 && !touched[i]) continue;
            Listing memory listing = listings[i];
            (int256 answer, uint256 updatedAt) = _answer(listing);
            if (touched[i] || _matters(listing, amounts[i], answer)) {
                _revertOn(_judge(listing, answer, updatedAt));
                _requireAgreement(listing.token, uint256(answer), market.getAssetPrice(listing.token), maxGapBps);
            }
            prices[i] = answer > 0 ? uint256(answer) : 0;
        }
    }

    /// @dev Why there is no fair share price now. With nothing but the accounting asset there always is one.
    function _sharePriceTrouble(Listing[] memory listings, uint256[] memory amounts)
        internal
        view
        returns (Trouble memory trouble)
    {
        bool priced = false;
        for (uint256 i = amounts.length - 1; i > 0; i--) {
            (int256 answer, uint256 updatedAt) = _answer(listings[i]);
            if (!_matters(listings[i], amounts[i], answer)) continue;
            priced = true;
            trouble = _judge(listings[i], answer, updatedAt);
            if (trouble.fault != Fault.None) return trouble;
        }
        if (!priced) return trouble;
        (int256 accountingAnswer, uint256 accountingTime) = _answer(listings[0]);
        trouble = _judge(listings[0], accountingAnswer, accountingTime);
        if (trouble.fault != Fault.None) return trouble;
        return _sequencerTrouble();
    }

    function _sequencerTrouble() internal view returns (Trouble memory trouble) {
        if (_sequencerFeed == address(0)) return trouble;
        (, int256 answer, uint256 startedAt,,) = IAggregatorV3(_sequencerFeed).latestRoundData();
        // A round that was never started says nothing (seen on Arbitrum before the first status change).
        if (answer != 0 || startedAt == 0) {
            trouble.fault = Fault.SequencerDown;
        } else if (block.timestamp <= startedAt + _sequencerGracePeriod) {
            trouble.fault = Fault.SequencerFresh;
            trouble.number = int256(startedAt);
        }
    }

    function _revertOn(Trouble memory trouble) internal view {
        if (trouble.fault == Fault.None) return;
        if (trouble.fault == Fault.Invalid) revert InvalidPrice(trouble.token, trouble.number);
        if (trouble.fault == Fault.Stale) {
            revert StalePrice(trouble.token, uint256(trouble.number), trouble.maxAge);
        }
        if (trouble.fault == Fault.SequencerDown) revert SequencerDown();
        revert SequencerGracePeriod(uint256(trouble.number), _sequencerGracePeriod);
    }

    function _judge(Listing memory listing, int256 answer, uint256 updatedAt)
        private
        view
        returns (Trouble memory trouble)
    {
        trouble.token = listing.token;
        trouble.maxAge = listing.maxAge;
        if (answer <= 0) {
            trouble.fault = Fault.Invalid;
            trouble.number = answer;
        } else if (updatedAt > block.timestamp || block.timestamp - updatedAt > listing.maxAge) {
            trouble.fault = Fault.Stale;
            trouble.number = int256(updatedAt);
        }
    }

    function _market() private view returns (IPriceOracleGetter) {
        return IPriceOracleGetter(ADDRESSES_PROVIDER.getPriceOracle());
    }

    function _requireAgreement(address token, uint256 price, uint256 marketPrice, uint256 maxGapBps) private pure {
        uint256 gap = price > marketPrice ? price - marketPrice : marketPrice - price;
        if (gap * BPS > marketPrice * maxGapBps) revert OracleGap(token, price, marketPrice, maxGapBps);
    }

    function _matters(Listing memory listing, uint256 amount, int256 answer) private pure returns (bool) {
        if (amount == 0) return false;
        return answer <= 0 || amount.mulDiv(uint256(answer), 10 ** listing.decimals) >= DUST_USD;
    }

    /// @dev A feed that reverts has no price; it must not be able to block a repayment that does not need it.
    function _answer(Listing memory listing) private view returns (int256 answer, uint256 updatedAt) {
        try IAggregatorV3(listing.feed).latestRoundData() returns (
            uint80, int256 lastAnswer, uint256, uint256 lastUpdatedAt, uint80
        ) {
            return (lastAnswer, lastUpdatedAt);
        } catch {
            return (0, 0);
        }
    }
}
