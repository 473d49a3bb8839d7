// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ILendingAccount} from "../interfaces/ILendingAccount.sol";
import {
    IMorphoBlue,
    IMorphoOracle,
    IMorphoRates,
    MarketParams,
    MarketPosition,
    MarketState
} from "../interfaces/IMorphoBlue.sol";
import {IPortfolio} from "../interfaces/IPortfolio.sol";
import {IPriceBook, Quote} from "../interfaces/IPriceBook.sol";

/// @notice What an account asks of the vault's rebalancer.
interface IBookHolder {
    function BOOK() external view returns (IPriceBook);
}

/// @title An account on one market of Morpho Blue, made to be cloned: one implementation for each market.
/// @notice A market has one collateral and one loan token, and nothing in another market reaches it. Its threshold is
/// its loan to value as well: what may be borrowed may be liquidated by the next wei of interest.
/// @dev Amounts are counted as Morpho will count them once it has added the interest up to now.
contract MorphoBlueAccount is ILendingAccount {
    using SafeERC20 for IERC20;
    using Math for uint256;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.AddressSlot;

    uint256 private constant WAD = 1e18;
    uint256 private constant WAD_PER_BPS = 1e14;
    uint256 private constant PRICE_SCALE = 1e36;
    /// @dev Morpho's own, against whoever inflates the value of a share.
    uint256 private constant VIRTUAL_SHARES = 1e6;
    uint256 private constant VIRTUAL_ASSETS = 1;
    /// @dev A liquidator gets 1 / (1 - CURSOR * (1 - lltv)) of what he repays, and at most MOST_SEIZED.
    uint256 private constant CURSOR = 0.3e18;
    uint256 private constant MOST_SEIZED = 1.15e18;
    /// @dev Of rate times seconds. With more, a debt of 2,000 raw units would not fit Morpho's sums of 128 bits.
    uint256 private constant MOST_COMPOUNDED = 1e30;
    /// @dev What a market's oracle or rate model may use to answer one question.
    uint256 private constant ANSWER_GAS = 500_000;
    /// @dev Morpho's call back does not say which token it has lent.
    bytes32 private constant FLASH_TOKEN = keccak256("MorphoBlueAccount.flashToken");

    IMorphoBlue public immutable MORPHO;
    bytes32 public immutable MARKET;
    address public immutable LOAN;
    address public immutable COLLATERAL;
    address public immutable ORACLE;
    address public immutable RATES;
    uint256 public immutable LLTV;
    /// @dev Turns the ratio of two prices of whole tokens into one of raw units, 36 decimals.
    uint256 private immutable PRICE_UNIT;

    error UnknownMarket(bytes32 market);
    error UnknownCategory(uint8 category);
    /// @notice The caller sent too little gas to know whether it would have answered.
    error NotEnoughGas(address asked);

    /// @notice This account and its market. `interest` is what Morpho has not added yet to the market's debt and supply;
    /// `owed` has its part of it. `price` is that of the health factor, 36 decimals. `moves` is false where the rate model
    /// does not answer: Morpho then refuses everything that moves collateral or debt.
    struct MarketView {
        uint256 collateral;
        uint256 owed;
        uint256 interest;
        uint256 price;
        MarketState state;
        bool moves;
    }

    modifier onlyVault() {
        if (msg.sender != vault()) revert NotVault(msg.sender);
        _;
    }

    constructor(IMorphoBlue morpho, bytes32 market_) {
        MarketParams memory params = morpho.idToMarketParams(market_);
        // Morpho lets anybody make a market of one token, or without an oracle.
        if (params.loanToken == params.collateralToken || params.oracle.code.length == 0) revert UnknownMarket(market_);
        MORPHO = morpho;
        MARKET = market_;
        LOAN = params.loanToken;
        COLLATERAL = params.collateralToken;
        ORACLE = params.oracle;
        RATES = params.irm;
        LLTV = params.lltv;
        uint256 decimals = IERC20Metadata(params.loanToken).decimals();
        PRICE_UNIT = PRICE_SCALE * 10 ** decimals / 10 ** IERC20Metadata(params.collateralToken).decimals();
    }

    function vault() public view returns (address) {
        return address(bytes20(Clones.fetchCloneArgs(address(this))));
    }

    // ---------------------------------------------------------------- the vault's

    /// @dev The loan token is not taken: lent to others it would be no collateral.
    function supply(address token, uint256 amount) external onlyVault {
        if (token != COLLATERAL) revert UnknownReserve(token);
        IERC20(token).forceApprove(address(MORPHO), amount);
        MORPHO.supplyCollateral(_params(), amount, address(this), "");
    }

    /// @dev Of the loan token there is only what strangers have lent on this account's behalf. It is not counted.
    function withdraw(address token, uint256 amount) external onlyVault returns (uint256 got) {
        MarketPosition memory p = _position();
        bool all = amount == type(uint256).max;
        if (token == COLLATERAL) {
            got = all ? p.collateral : amount;
            MORPHO.withdrawCollateral(_params(), got, address(this), msg.sender);
        } else {
            if (token != LOAN) revert UnknownReserve(token);
            (got,) = MORPHO.withdraw(_params(), all ? 0 : amount, all ? p.supplyShares : 0, address(this), msg.sender);
        }
    }

    function borrow(address token, uint256 amount) external onlyVault {
        if (token != LOAN) revert UnknownReserve(token);
        MORPHO.borrow(_params(), amount, 0, address(this), msg.sender);
    }

    function repay(address token, uint256 amount) external onlyVault returns (uint256 paid) {
        if (token != LOAN) revert UnknownReserve(token);
        uint256 shares = _position().borrowShares;
        bool all = amount >= _owed(shares);
        IERC20(token).forceApprove(address(MORPHO), amount);
        // By shares nothing is left over that rounding would owe.
        (paid,) = MORPHO.repay(_params(), all ? 0 : amount, all ? shares : 0, address(this), "");
        if (paid < amount) {
            IERC20(token).forceApprove(address(MORPHO), 0);
            IERC20(token).safeTransfer(msg.sender, amount - paid);
        }
    }

    /// @dev Morpho has no categories.
    function setCategory(uint8 category) external view onlyVault {
        if (category != 0) revert UnknownCategory(category);
    }

    /// @dev Without a fee. Only this market's tokens: Morpho lends any token that lies there, a stranger's own too.
    function flash(address token, uint256 amount, bytes calldata data) external onlyVault {
        if (token != LOAN && token != COLLATERAL) revert UnknownReserve(token);
        FLASH_TOKEN.asAddress().tstore(token);
        MORPHO.flashLoan(token, amount, data);
        FLASH_TOKEN.asAddress().tstore(address(0));
    }

    /// @notice Morpho's call back inside a flash loan that this account asked for in the same transaction.
    function onMorphoFlashLoan(uint256 amount, bytes calldata data) external {
        address token = FLASH_TOKEN.asAddress().tload();
        if (msg.sender != address(MORPHO) || token == address(0)) revert UnexpectedFlashLoan();
        FLASH_TOKEN.asAddress().tstore(address(0));
        address owner = vault();
        IERC20(token).safeTransfer(owner, amount);
        IPortfolio(owner).onFlash(token, amount, 0, data);
        IERC20(token).forceApprove(msg.sender, amount);
    }

    /// @dev What a market never changes is in the code.
    function remember(address[] calldata) external pure {}

    // ---------------------------------------------------------------- anybody's

    function dropCollateral(address token) external {
        if (IPortfolio(vault()).isListed(token)) revert ListedToken(token);
        if (token != COLLATERAL) revert UnknownReserve(token);
        uint256 collateral = _position().collateral;
        MORPHO.withdrawCollateral(_params(), collateral, address(this), vault());
        emit CollateralDropped(token, collateral);
    }

    function sweep(address token) external returns (uint256 amount) {
        amount = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(vault(), amount);
        emit Swept(token, amount);
    }

    /// @dev Morpho pays none itself. A distributor may refuse everybody's claim but the account's own, and the account
    /// makes none. What reaches it anybody can sweep.
    function claimRewards(address[] calldata) external pure {}

    // ---------------------------------------------------------------- views

    /// @dev Who leaves in kind asks this and then withdraws. 0 where Morpho would refuse that, because the rate model does
    /// not answer: else it would keep the token's other parts back as well.
    function supplied(address token) external view returns (uint256) {
        if (token != COLLATERAL) return 0;
        (,, bool answered) = _accrued();
        return answered ? _position().collateral : 0;
    }

    function owed(address token) external view returns (uint256) {
        return token == LOAN ? _owed(_position().borrowShares) : 0;
    }

    function positions(address[] calldata tokens, bool weighed)
        external
        view
        returns (uint256[] memory supplies, uint256[] memory debts, uint256[] memory thresholds)
    {
        supplies = new uint256[](tokens.length);
        debts = new uint256[](tokens.length);
        thresholds = new uint256[](weighed ? tokens.length : 0);
        MarketPosition memory p = _position();
        uint256 debt = _owed(p.borrowShares);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (tokens[i] == LOAN) debts[i] = debt;
            if (tokens[i] != COLLATERAL || p.collateral == 0) continue;
            supplies[i] = p.collateral;
            if (weighed) thresholds[i] = LLTV / WAD_PER_BPS;
        }
    }

    /// @dev By the lower price: Morpho's, by which it liquidates, or the vault's, by which it lends the vault too much where
    /// its own is high. 0 where Morpho's oracle does not answer: no collateral can then leave while there is debt.
    function healthFactor() external view returns (uint256 health) {
        MarketPosition memory p = _position();
        if (p.borrowShares == 0) return type(uint256).max;
        // Morpho cannot count with a price that does not fit either: as good as none.
        (, uint256 value) = Math.tryMul(p.collateral, _price());
        uint256 mostOwed = (value / PRICE_SCALE).mulDiv(LLTV, WAD);
        return mostOwed.mulDiv(WAD, _owed(p.borrowShares));
    }

    function liquidation(address token) external view returns (uint256 thresholdBps, uint256 bonusBps) {
        if (token != COLLATERAL) return (0, 0);
        uint256 seized = Math.min(MOST_SEIZED, WAD * WAD / (WAD - CURSOR * (WAD - LLTV) / WAD));
        return (LLTV / WAD_PER_BPS, Math.ceilDiv(seized - WAD, WAD_PER_BPS));
    }

    /// @dev Morpho's oracle compares two tokens and knows no dollar.
    function venuePrices(address[] calldata tokens) external pure returns (uint256[] memory prices) {
        return new uint256[](tokens.length);
    }

    function venueSource(address) external pure returns (address source) {
        return address(0);
    }

    function look() external view returns (MarketView memory v) {
        MarketPosition memory p = _position();
        (v.state, v.interest, v.moves) = _accrued();
        v.collateral = p.collateral;
        v.owed = _assets(p.borrowShares, v.state.totalBorrowAssets + v.interest, v.state.totalBorrowShares);
        v.price = _price();
    }

    // ---------------------------------------------------------------- internal

    function _params() private view returns (MarketParams memory) {
        return MarketParams(LOAN, COLLATERAL, ORACLE, RATES, LLTV);
    }

    function _position() private view returns (MarketPosition memory) {
        return MORPHO.position(MARKET, address(this));
    }

    function _owed(uint256 shares) private view returns (uint256) {
        if (shares == 0) return 0;
        (MarketState memory state, uint256 interest,) = _accrued();
        return _assets(shares, state.totalBorrowAssets + interest, state.totalBorrowShares);
    }

    function _assets(uint256 shares, uint256 allAssets, uint256 allShares) private pure returns (uint256) {
        return shares.mulDiv(allAssets + VIRTUAL_ASSETS, allShares + VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @return state As Morpho keeps it.
    /// @return interest What Morpho will add to the debt, and to the supply, before it does anything else. 0 where it
    /// cannot add any: a dead rate model must not stop the vault's other accounts.
    /// @return answered False where it cannot: it then refuses everything that moves collateral or debt.
    function _accrued() private view returns (MarketState memory state, uint256 interest, bool answered) {
        state = MORPHO.market(MARKET);
        uint256 time = block.timestamp - state.lastUpdate;
        // Without a rate model nobody pays interest.
        if (time == 0 || RATES == address(0)) return (state, 0, true);
        uint256 rate;
        (answered, rate) = _ask(RATES, abi.encodeCall(IMorphoRates.borrowRateView, (_params(), state)));
        if (!answered || rate > MOST_COMPOUNDED / time) return (state, 0, false);
        interest = uint256(state.totalBorrowAssets).mulDiv(_growth(rate * time), WAD);
        if (state.totalSupplyAssets + interest > type(uint128).max) return (state, 0, false);
    }

    /// @return growth e^x - 1 by the first three terms of its series, each rounded down, as Morpho counts it.
    function _growth(uint256 x) private pure returns (uint256 growth) {
        uint256 square = x * x / (2 * WAD);
        return x + square + square * x / (3 * WAD);
    }

    /// @return price The lower of the two, 36 decimals. 0 where Morpho's oracle has none, its own where the vault has none.
    function _price() private view returns (uint256 price) {
        (, price) = _ask(ORACLE, abi.encodeCall(IMorphoOracle.price, ()));
        uint256 ours = _vaultsPrice();
        if (ours != 0 && ours < price) return ours;
    }

    /// @return price By the feeds' last answers, whatever their age. 0 where one has none.
    function _vaultsPrice() private view returns (uint256 price) {
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (COLLATERAL, LOAN);
        // This account has no second opinion, so that the book tells what the feeds say.
        (Quote[] memory quotes,) = IBookHolder(IPortfolio(vault()).REBALANCER()).BOOK().quotes(tokens, this, 0);
        (, uint256 product) = Math.tryMul(quotes[0].price, PRICE_UNIT);
        return quotes[1].price == 0 ? 0 : product / quotes[1].price;
    }

    /// @dev Anybody's contract is asked: it must not be able to stop what does not need it, by its answer's size or by
    /// burning gas.
    /// @return answered False where nobody is there, on a revert, on a short answer.
    /// @return word 0 where not answered.
    function _ask(address from, bytes memory question) private view returns (bool answered, uint256 word) {
        assembly ("memory-safe") {
            // The call is made before its answer's size is read: arguments are evaluated from the last on.
            answered :=
                and(
                    gt(returndatasize(), 31),
                    staticcall(ANSWER_GAS, from, add(question, 0x20), mload(question), 0, 0x20)
                )
            word := mul(answered, mload(0))
        }
        // A caller keeps a 64th of his gas. With less than this left, the one asked may have had less than its due.
        if (!answered && gasleft() < ANSWER_GAS / 63) revert NotEnoughGas(from);
    }
}
