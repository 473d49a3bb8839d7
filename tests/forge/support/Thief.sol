// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Scene} from "./Scene.sol";

/// @notice A thief's calls, and what they take from the vault by prices that the thief alone knows.
/// @dev An action is eight bytes: kind, asset, two of size, skew, truth, wait, caller. A plan is a row of them.
/// The thief has all the money of the world: before each call the pool is moved to where the vault trades worst, and
/// after it back, in the same block. The market may stand above or below a feed by its lag; whatever the vault gives or
/// gets is valued there.
abstract contract Thief is Scene {
    uint256 internal constant BYTES = 8;
    uint256 internal constant KEEPERS = 1;
    uint256 internal constant GUARDIANS = 2;
    uint256 internal constant STRANGERS = 4;
    uint256 internal constant PART = 1e9;
    // Kinds of actions. SELL keeps the cash, LOWER repays with it, ROUND buys WBTC with it. SWITCH sells one risk asset for
    // another. LEVER buys, and REPAY_FIRST repays, with a flash loan.
    uint256 internal constant SELL = 0;
    uint256 internal constant LOWER = 1;
    uint256 internal constant BUY = 2;
    uint256 internal constant SWITCH = 3;
    uint256 internal constant REPAY_FIRST = 4;
    uint256 internal constant LEVER = 5;
    uint256 internal constant ROUND = 6;
    uint256 internal constant OWN_POOL = 7;
    uint256 private constant KINDS = 8;
    uint256 private constant HALVINGS = 4;
    uint256 private constant MOST_SKEW_BPS = 130;
    uint256 private constant LAG_BPS = 50;
    uint256 private constant CASH_LAG_BPS = 25;

    /// @dev Parts of the first NAV in 1e-9. `worstDay` is the most that any 24 hours cost. `ofRepaid` is the most that a
    /// ripcord cost, in 1e-9 of the debt that it repaid.
    struct Take {
        uint256 worstDay;
        uint256 all;
        uint256 ofRepaid;
        uint256 calls;
        uint256 passed;
    }

    struct Action {
        uint256 kind;
        string symbol;
        uint256 usd;
        uint256 skew;
        int256 truth; // bps that the market stands above the feeds
        uint256 wait;
        address caller;
    }

    /// @dev The pool that a call moves, and what the vault sells and buys there.
    struct Market_ {
        address pool;
        string sold;
        string bought;
    }

    address internal ownPool;

    /// @notice The vault as the thief finds it.
    function open() internal virtual;

    /// @notice Whose keys the thief has, and whether strangers' calls are among them.
    function keys() internal pure virtual returns (uint256);

    /// @notice Time goes by, and the market with it.
    function pass(uint256 time) internal virtual {
        wait_(time);
    }

    // ---------------------------------------------------------------- a whole plan

    /// @notice Runs a plan from here on.
    function play(bytes calldata plan) external returns (Take memory take) {
        uint256 n = plan.length / BYTES;
        uint256[] memory times = new uint256[](n);
        int256[] memory lost = new int256[](n);
        uint256 first = nav();
        (uint256 link, uint256 usdc) = _inOwnPool();
        for (uint256 i = 0; i < n; i++) {
            (uint256 calls, bool passed_, int256 usd, uint256 repaid) = this.act(plan[i * BYTES:(i + 1) * BYTES]);
            take.calls += calls;
            if (!passed_) continue;
            take.passed++;
            (times[i], lost[i]) = (block.timestamp, usd);
            if (repaid != 0 && usd > 0 && uint256(usd) * PART / repaid > take.ofRepaid) {
                take.ofRepaid = uint256(usd) * PART / repaid;
            }
        }
        (uint256 linkLater, uint256 usdcLater) = _inOwnPool();
        check(link == linkLater && usdc == usdcLater, "a pool of the thief's own traded with the vault");
        (take.worstDay, take.all) = _worst(times, lost, first);
    }

    function _inOwnPool() private view returns (uint256 link, uint256 usdc) {
        link = IERC20(m.at("LINK")).balanceOf(ownPool);
        usdc = IERC20(m.at("USDC")).balanceOf(ownPool);
    }

    function _worst(uint256[] memory times, int256[] memory lost, uint256 first)
        private
        pure
        returns (uint256 day, uint256 all)
    {
        int256 sum = 0;
        int256 most = 0;
        for (uint256 i = 0; i < times.length; i++) {
            sum += lost[i];
            int256 within_ = 0;
            for (uint256 k = i; k < times.length && times[k] <= times[i] + 1 days; k++) {
                within_ += lost[k];
                if (times[i] != 0 && within_ > most) most = within_;
            }
        }
        return (uint256(most) * PART / first, sum > 0 ? uint256(sum) * PART / first : 0);
    }

    // ---------------------------------------------------------------- one action

    /// @notice One call, at half the size again and again where it is refused.
    /// @return calls How often it was tried.
    /// @return passed_ Whether one went through.
    /// @return usd What it took by the thief's prices, 8 decimals.
    /// @return repaid The debt that a stranger's call repaid, 8 decimals; 0 for others' calls.
    function act(bytes calldata gene) external returns (uint256 calls, bool passed_, int256 usd, uint256 repaid) {
        Action memory a = _decoded(gene);
        if (a.wait != 0) pass(a.wait);
        for (; calls <= HALVINGS && !passed_; calls++) {
            (passed_, usd, repaid) = this.once(a);
            a.usd /= 2;
        }
    }

    /// @dev In a frame of its own, whose memory is free again afterwards.
    function once(Action calldata a) external returns (bool passed_, int256 usd, uint256 repaid) {
        Market_ memory at = _marketOf(a);
        m.skew(at.pool, at.sold, at.bought, a.skew);
        (, int256[] memory before,) = portfolio.holdings();
        uint256 owed = account(0).owed(m.at("USDC"));
        passed_ = _send(a, at.pool);
        m.arbitrage(at.pool, at.sold, at.bought);
        if (!passed_) return (false, 0, 0);
        (, int256[] memory later,) = portfolio.holdings();
        for (uint256 i = 0; i < later.length; i++) {
            int256 bps = i == 0 ? -a.truth * int256(CASH_LAG_BPS) / int256(LAG_BPS) : a.truth;
            int256 worth_ = (before[i] - later[i]) * int256(m.price(listed[i])) * (10_000 + bps);
            usd += worth_ / int256(10_000 * 10 ** m.decimalsOf(listed[i]));
        }
        uint256 left = account(0).owed(m.at("USDC"));
        if (a.caller == STRANGER && owed > left) repaid = (owed - left) * 100;
    }

    function _marketOf(Action calldata a) private view returns (Market_ memory at) {
        (at.sold, at.bought) = (a.symbol, "USDC");
        if (a.kind == BUY || a.kind == LEVER) (at.sold, at.bought) = ("USDC", a.symbol);
        if (a.kind == SWITCH) at.bought = _same(a.symbol, "WETH") ? "LINK" : "WETH";
        at.pool = a.kind == SWITCH
            ? m.poolOf(at.sold, at.bought, _same(a.symbol, "WBTC") ? 500 : 3_000)
            : _poolOf(a.symbol);
    }

    function _send(Action calldata a, address pool) private returns (bool done) {
        uint256 cash = a.usd / 100;
        uint256 loan = a.kind == LEVER || a.kind == REPAY_FIRST ? cash : 0;
        if (a.kind == BUY || a.kind == LEVER) {
            if (loan == 0 && portfolio.idle() < cash) borrow(0, cash - portfolio.idle());
            sell("USDC", cash, pool);
            supply(0, a.symbol, PREVIOUS);
            if (loan != 0) borrow(0, loan + loan / 1_000);
        } else {
            if (a.kind == REPAY_FIRST) repay(0, cash);
            withdraw(0, a.symbol, units(a.symbol, a.usd));
            sell(a.symbol, PREVIOUS, a.kind == OWN_POOL ? ownPool : pool);
            if (a.kind == SWITCH) supply(0, _same(a.symbol, "WETH") ? "LINK" : "WETH", PREVIOUS);
            if (a.kind == ROUND) sell("USDC", PREVIOUS, _poolOf("WBTC"));
            if (a.kind == ROUND) supply(0, "WBTC", PREVIOUS);
            if (a.kind == LOWER || a.kind == OWN_POOL) repay(0, ALL);
        }
        bool lowers = a.kind == LOWER || a.kind == REPAY_FIRST || a.kind == OWN_POOL;
        if (a.caller == STRANGER) (done,) = tryRipcord(STRANGER, loan);
        else if (lowers || a.caller == GUARDIAN) (done,) = tryLower(a.caller, loan);
        else (done,) = tryRebalance(loan);
    }

    // ---------------------------------------------------------------- bytes

    function _decoded(bytes calldata g) private view returns (Action memory a) {
        a.kind = uint8(g[0]) % KINDS;
        a.symbol = ["WETH", "WBTC", "LINK"][uint8(g[1]) % 3];
        a.usd = nav() * (1 + uint256(uint8(g[3]))) / 256 >> (uint8(g[2]) % 9);
        a.skew = uint8(g[4]) % (MOST_SKEW_BPS + 1);
        a.truth = (int256(uint256(uint8(g[5]) % 3)) - 1) * int256(LAG_BPS);
        uint24[8] memory waits = [uint24(0), 0, 60, 601, 901, 1 hours, 4 hours, 8 hours];
        a.wait = waits[uint8(g[6]) % 8];
        a.caller = _caller(uint8(g[7]));
    }

    function _caller(uint256 die) private pure returns (address) {
        address[3] memory all = [KEEPER, GUARDIAN, STRANGER];
        for (uint256 i = 0; i < 3; i++) {
            uint256 k = (die + i) % 3;
            if ((keys() >> k) & 1 != 0) return all[k];
        }
        return KEEPER;
    }

    function _poolOf(string memory symbol) internal view returns (address) {
        return m.poolOf(symbol, "USDC", _same(symbol, "WETH") ? 500 : 3_000);
    }

    /// @notice Every listed pool back to its feeds' prices.
    function alignPools() internal {
        string[3] memory symbols = ["WETH", "WBTC", "LINK"];
        for (uint256 i = 0; i < 3; i++) {
            m.arbitrage(_poolOf(symbols[i]), symbols[i], "USDC");
        }
    }

    function crashTo(uint256 health) internal {
        while (account(0).healthFactor() > health) {
            m.moveAll(0.99e18);
        }
        alignPools();
    }
}
