// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ILendingAccount} from "./interfaces/ILendingAccount.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {IPortfolio} from "./interfaces/IPortfolio.sol";
import {Fault, IPriceBook, Quote} from "./interfaces/IPriceBook.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {Frames} from "./Frames.sol";
import {PackedAsset} from "./PackedAssets.sol";
import {PolicyPages} from "./PolicyPages.sol";

/// @title What the portfolio is worth in the accounting asset, now and at the rounds after a moment.
/// @notice An asset held in dust has no part in it, and its feed none in whether there is a fair price.
contract SharePricer {
    IPolicyRegistry public immutable REGISTRY;
    IPriceBook public immutable BOOK;
    IPortfolio public immutable PORTFOLIO;

    /// @notice Rounds of one feed, by the proxy's ids.
    struct Hint {
        uint80 first; // the first after the batch closed
        uint80 last; //  the last up to the moment when all feeds had published
    }

    error NoFairPrice();

    struct Held {
        PackedAsset[] assets;
        int256[] net;
        address[] mattering; // address(0) where an asset does not matter
        bool risky; //          something but the accounting asset matters
    }

    constructor(IPolicyRegistry registry, IPriceBook book, IPortfolio portfolio) {
        REGISTRY = registry;
        BOOK = book;
        PORTFOLIO = portfolio;
    }

    /// @notice Never reverts on a price.
    /// @return netAssets Raw units of the accounting asset, rounded down; 0 where more is owed than owned.
    /// @return isFair No asset that matters has a dead, stale or contradicted price, and the sequencer is up.
    function present() public view returns (uint256 netAssets, bool isFair) {
        Held memory h = _held();
        uint256[] memory prices = new uint256[](h.assets.length);
        isFair = true;
        if (h.risky) {
            (Quote[] memory quotes, bool up) =
                BOOK.quotes(h.mattering, ILendingAccount(REGISTRY.accounts()[0]), REGISTRY.policy().maxGapBps);
            isFair = up;
            for (uint256 i = 0; i < prices.length; i++) {
                prices[i] = quotes[i].price;
                if (h.mattering[i] != address(0) && quotes[i].fault != Fault.None) isFair = false;
            }
        }
        return (_sum(h, prices), isFair);
    }

    /// @notice `present`, or NoFairPrice.
    function fair() public view returns (uint256 netAssets) {
        bool isFair;
        (netAssets, isFair) = present();
        if (!isFair) revert NoFairPrice();
    }

    /// @notice What a batch of requests is settled at: what is held now, at the prices of the first moment at which
    /// every feed that matters had published after the batch closed. Nobody knows them when it closes, and whenever it
    /// is settled they are the same. Once a call has moved what is held, the present value counts as well: a keeper
    /// could otherwise buy dear by those prices, for a depositor of his own.
    /// @param hints Per asset; of those that do not matter any numbers.
    /// @param higher Whether the higher of both counts then (deposits), or the lower (redemptions).
    /// @return now_ The fair present value, raw units of the accounting asset.
    /// @return due The value that the batch is settled at.
    function settlement(uint256 closedAt, Hint[] calldata hints, bool higher)
        external
        view
        returns (uint256 now_, uint256 due)
    {
        now_ = fair();
        Held memory h = _held();
        if (!h.risky) return (now_, now_);
        uint256 moment = 0;
        for (uint256 i = 0; i < h.assets.length; i++) {
            if (h.mattering[i] == address(0)) continue;
            moment = Math.max(moment, BOOK.firstAfter(h.mattering[i], closedAt, hints[i].first));
        }
        uint256[] memory prices = new uint256[](h.assets.length);
        for (uint256 i = 0; i < h.assets.length; i++) {
            if (h.mattering[i] != address(0)) prices[i] = BOOK.priceAt(h.mattering[i], moment, hints[i].last);
        }
        due = _sum(h, prices);
        if (IRebalancer(REGISTRY.rebalancer()).state().lastCall >= moment) {
            due = higher ? Math.max(due, now_) : Math.min(due, now_);
        }
    }

    function _held() private view returns (Held memory h) {
        uint256[] memory owed;
        h.assets = PolicyPages.read(REGISTRY.page()).assets;
        (h.mattering, h.net, owed) = PORTFOLIO.holdings();
        for (uint256 i = 1; i < h.assets.length; i++) {
            bool matters = Frames.matters(h.assets[i], uint256(h.net[i] + int256(owed[i])), owed[i]);
            if (matters) h.risky = true;
            else h.mattering[i] = address(0);
        }
    }

    function _sum(Held memory h, uint256[] memory prices) private pure returns (uint256) {
        int256 sum = h.net[0];
        if (h.risky) {
            if (prices[0] == 0) return 0;
            int256 unit0 = int256(h.assets[0].unit());
            for (uint256 i = 1; i < prices.length; i++) {
                if (h.mattering[i] == address(0)) continue;
                int256 unit = int256(h.assets[i].unit());
                sum += h.net[i] * int256(prices[i]) * unit0 / (unit * int256(prices[0]));
            }
        }
        return sum > 0 ? uint256(sum) : 0;
    }
}
