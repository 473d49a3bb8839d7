// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Id, Market, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {IIrm} from "@morpho-org/morpho-blue/src/interfaces/IIrm.sol";

/// @title Morpho's adaptive curve, by its published formula (github.com/morpho-org/morpho-blue-irm, AdaptiveCurveIrm).
/// @notice Two mechanisms. The curve: a quarter of the rate at target where nothing is borrowed, the rate at target at
/// 90 %, four times it at 100 %. The adaptation: the rate at target grows by e^(50 a year, times how far utilisation is
/// from 90 %), between 0.1 % and 200 % a year. Numbers have 18 decimals, rates are a second's.
contract AdaptiveCurve is IIrm {
    error NotMorpho(address caller);

    int256 private constant ONE = 1e18;
    int256 public constant TARGET = 0.9e18;
    int256 public constant STEEPNESS = 4e18;
    int256 public constant SPEED = int256(50e18) / 365 days;
    int256 public constant FIRST_RATE = int256(0.04e18) / 365 days;
    int256 public constant LOWEST_RATE = int256(0.001e18) / 365 days;
    int256 public constant HIGHEST_RATE = int256(2e18) / 365 days;
    int256 private constant LN_2 = 693147180559945309;
    /// @dev Under this, which is ln 1e-18, e^x is 0.
    int256 private constant LN_WEI = -41446531673892822312;
    /// @dev From this on e^x stays what it is here, so that a rate times it fits.
    int256 private constant FARTHEST = 93859467695000404319;
    int256 private constant MOST = 57716089161558943949701069502944508345128422502756744429568;

    address public immutable MORPHO;
    /// @notice As of the market's last update; 0 before its first.
    mapping(Id market => int256) public rateAtTarget;

    constructor(address morpho) {
        MORPHO = morpho;
    }

    function borrowRate(MarketParams memory params, Market memory market) external returns (uint256) {
        if (msg.sender != MORPHO) revert NotMorpho(msg.sender);
        Id id = Id.wrap(keccak256(abi.encode(params)));
        (int256 mean, int256 last) = _rates(id, market);
        rateAtTarget[id] = last;
        return uint256(mean);
    }

    function borrowRateView(MarketParams memory params, Market memory market) external view returns (uint256) {
        (int256 mean,) = _rates(Id.wrap(keccak256(abi.encode(params))), market);
        return uint256(mean);
    }

    /// @return mean Of the borrow rate since the market's last update.
    /// @return last Rate at target now.
    function _rates(Id id, Market memory market) private view returns (int256 mean, int256 last) {
        int256 distance = _distance(market);
        int256 first = rateAtTarget[id];
        if (first == 0) return (_curve(FIRST_RATE, distance), FIRST_RATE);
        int256 exponent = SPEED * distance / ONE * int256(block.timestamp - market.lastUpdate);
        last = _grown(first, exponent);
        // By the trapezoid rule, in two halves.
        mean = _curve((first + 2 * _grown(first, exponent / 2) + last) / 4, distance);
    }

    /// @return distance Of utilisation from the target: -1 where nothing is borrowed, 0 at 90 %, 1 at 100 %.
    function _distance(Market memory market) private pure returns (int256 distance) {
        int256 supplied = int256(uint256(market.totalSupplyAssets));
        int256 utilisation = supplied == 0 ? int256(0) : int256(uint256(market.totalBorrowAssets)) * ONE / supplied;
        int256 whole = utilisation > TARGET ? ONE - TARGET : TARGET;
        return (utilisation - TARGET) * ONE / whole;
    }

    function _curve(int256 atTarget, int256 distance) private pure returns (int256) {
        int256 slope = distance < 0 ? ONE - ONE * ONE / STEEPNESS : STEEPNESS - ONE;
        return (slope * distance / ONE + ONE) * atTarget / ONE;
    }

    function _grown(int256 rate, int256 exponent) private pure returns (int256 grown) {
        grown = rate * _exp(exponent) / ONE;
        if (grown < LOWEST_RATE) return LOWEST_RATE;
        if (grown > HIGHEST_RATE) return HIGHEST_RATE;
    }

    /// @dev e^x = 2^k e^r with r nearest to 0; e^r by the first three terms of its series, up to 0.9 % off, as Morpho has it.
    function _exp(int256 x) private pure returns (int256 power) {
        if (x < LN_WEI) return 0;
        if (x >= FARTHEST) return MOST;
        int256 k = (x < 0 ? x - LN_2 / 2 : x + LN_2 / 2) / LN_2;
        int256 r = x - k * LN_2;
        power = ONE + r + r * r / ONE / 2;
        return k < 0 ? power >> uint256(-k) : power << uint256(k);
    }
}
