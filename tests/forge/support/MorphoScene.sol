// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Id, IMorpho, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";
import {AdaptiveCurve} from "devnet/AdaptiveCurve.sol";
import {FeedPairOracle, IUsdFeed} from "devnet/FeedPairOracle.sol";
import {MorphoBlueAccount} from "portfolio/accounts/MorphoBlueAccount.sol";
import {IMorphoBlue} from "portfolio/interfaces/IMorphoBlue.sol";
import {IPolicyRegistry} from "portfolio/interfaces/IPolicyRegistry.sol";
import {Flash, Step} from "portfolio/interfaces/IPortfolio.sol";
import {IRebalancer} from "portfolio/interfaces/IRebalancer.sol";
import {Scene} from "./Scene.sol";

/// @notice Beside the scene's two accounts on Aave one on Morpho's own code: WETH for USDC, 90 % of it lent.
abstract contract MorphoScene is Scene {
    uint8 internal constant HERE = 2;
    uint256 internal constant LLTV = 0.86e18;
    address internal constant LENDER = address(0xBEE6);
    /// @dev Compiled by solc 0.8.19: `make forge` writes it.
    string private constant MORPHO_JSON = ".cache/forge/Morpho.json";

    IMorpho internal morpho;
    AdaptiveCurve internal rates;
    MarketParams internal market;
    Id internal id;
    MorphoBlueAccount internal here;

    function setMorphoScene() internal {
        setScene(false);
        bytes memory code =
            bytes.concat(vm.parseJsonBytes(vm.readFile(MORPHO_JSON), ".bytecode"), abi.encode(address(this)));
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        morpho = IMorpho(made);
        rates = new AdaptiveCurve(made);
        morpho.enableIrm(address(rates));
        morpho.enableLltv(LLTV);
        (market, id) = openMarket("WETH");
        _lend(20_000_000 * USDC, 18_000_000 * USDC);
        here = MorphoBlueAccount(openAccount(id));
    }

    /// @return params Of a new market in USDC.
    function openMarket(string memory symbol) internal returns (MarketParams memory params, Id made) {
        uint8 decimals = uint8(m.decimalsOf(symbol));
        IUsdFeed loanFeed = IUsdFeed(m.feed("USDC"));
        FeedPairOracle oracle = new FeedPairOracle(IUsdFeed(m.feed(symbol)), decimals, loanFeed, 6);
        params = MarketParams(m.at("USDC"), m.at(symbol), address(oracle), address(rates), LLTV);
        morpho.createMarket(params);
        made = Id.wrap(keccak256(abi.encode(params)));
    }

    /// @return account The vault's newest, with the market's implementation cloned.
    function openAccount(Id made) internal returns (address account) {
        MorphoBlueAccount code = new MorphoBlueAccount(IMorphoBlue(address(morpho)), Id.unwrap(made));
        bytes memory data = abi.encode(address(code), uint8(0));
        vm.prank(address(timelock));
        registry.propose(IPolicyRegistry.Listing.Account, data);
        wait_(2 days);
        registry.activate(IPolicyRegistry.Listing.Account, data);
        address[] memory accounts = registry.accounts();
        return accounts[accounts.length - 1];
    }

    /// @notice 100,000 USDC: WETH for all of it on Morpho, levered to 1.4 there.
    function leveredOnMorpho() internal {
        m.fund("USDC", address(portfolio), 100_000 * USDC);
        sell("USDC", 90_000 * USDC, m.poolOf("WETH", "USDC", 500));
        supply(HERE, "WETH", PREVIOUS);
        rebalance(0);
        wait_(1 days + 8 hours);
        borrow(HERE, 40_000 * USDC);
        sell("USDC", PREVIOUS, m.poolOf("WBTC", "USDC", 3_000));
        supply(0, "WBTC", PREVIOUS);
        rebalance(0);
        wait_(1 days + 8 hours);
    }

    /// @notice Prices fall until the account's health is at most this, and pools follow.
    function crashTo(uint256 health) internal {
        while (here.healthFactor() > health) m.moveAll(0.99e18);
        m.arbitrage(m.poolOf("WETH", "USDC", 500), "WETH", "USDC");
        m.arbitrage(m.poolOf("WBTC", "USDC", 3_000), "WBTC", "USDC");
    }

    /// @notice Sells WETH of the account's collateral and repays its debt with what it brings.
    function lowering(uint256 usd) internal {
        withdraw(HERE, "WETH", units("WETH", usd));
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(HERE, PREVIOUS);
    }

    /// @dev A loan of Morpho's. The steps are taken whatever comes of it.
    function tryRebalanceWithLoan(uint256 amount) internal returns (bool done, bytes memory answer) {
        (uint256 epoch, Flash memory loan) = (rebalancer.state().epoch, Flash(HERE, m.at("USDC"), amount));
        Step[] memory steps = taken();
        vm.prank(KEEPER);
        return address(rebalancer).call(abi.encodeCall(IRebalancer.rebalance, (epoch, block.timestamp, loan, steps)));
    }

    function tryLowerWithLoan(uint256 amount) internal returns (bool done, bytes memory answer) {
        (uint256 epoch, Flash memory loan) = (rebalancer.state().epoch, Flash(HERE, m.at("USDC"), amount));
        Step[] memory steps = taken();
        vm.prank(KEEPER);
        return address(rebalancer).call(abi.encodeCall(IRebalancer.deleverage, (epoch, block.timestamp, loan, steps)));
    }

    /// @notice Others empty the market.
    function dryUp() internal {
        uint256 left = morpho.market(id).totalSupplyAssets - morpho.market(id).totalBorrowAssets;
        vm.prank(LENDER);
        morpho.withdraw(market, left, 0, LENDER, LENDER);
    }

    function _lend(uint256 supplied, uint256 borrowed) private {
        uint256 pledged = units("WETH", borrowed * 200);
        m.fund("USDC", LENDER, supplied);
        m.fund("WETH", LENDER, pledged);
        vm.startPrank(LENDER);
        IERC20(market.loanToken).approve(address(morpho), type(uint256).max);
        IERC20(market.collateralToken).approve(address(morpho), type(uint256).max);
        morpho.supply(market, supplied, 0, LENDER, "");
        morpho.supplyCollateral(market, pledged, LENDER, "");
        morpho.borrow(market, borrowed, 0, LENDER, LENDER);
        vm.stopPrank();
    }
}
