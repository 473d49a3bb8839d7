// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ACLManager} from "@aave-dao/aave-v3-origin/src/contracts/protocol/configuration/ACLManager.sol";
import {
    PoolAddressesProvider
} from "@aave-dao/aave-v3-origin/src/contracts/protocol/configuration/PoolAddressesProvider.sol";
import {AaveOracle} from "@aave-dao/aave-v3-origin/src/contracts/misc/AaveOracle.sol";
import {
    DefaultReserveInterestRateStrategyV2
} from "@aave-dao/aave-v3-origin/src/contracts/misc/DefaultReserveInterestRateStrategyV2.sol";
import {PoolInstance} from "@aave-dao/aave-v3-origin/src/contracts/instances/PoolInstance.sol";
import {
    PoolConfiguratorInstance
} from "@aave-dao/aave-v3-origin/src/contracts/instances/PoolConfiguratorInstance.sol";
import {ATokenInstance} from "@aave-dao/aave-v3-origin/src/contracts/instances/ATokenInstance.sol";
import {
    VariableDebtTokenInstance
} from "@aave-dao/aave-v3-origin/src/contracts/instances/VariableDebtTokenInstance.sol";
import {
    AaveProtocolDataProvider
} from "@aave-dao/aave-v3-origin/src/contracts/helpers/AaveProtocolDataProvider.sol";
import {
    ConfiguratorInputTypes
} from "@aave-dao/aave-v3-origin/src/contracts/protocol/libraries/types/ConfiguratorInputTypes.sol";
import {IUniswapV3Factory} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Factory.sol";
import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";
import {RoundFeed} from "devnet/RoundFeed.sol";
import {TestToken} from "devnet/TestToken.sol";
import {Vm} from "./Vm.sol";

/// @notice Aave V3.6 and Uniswap V3 themselves, with five reserves and eight pools, owned by this contract.
contract Market {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant WAD = 1e18;
    int24 private constant MAX_TICK = 887_272;
    string private constant FACTORY_JSON =
        "node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";

    struct Reserve {
        string symbol;
        uint8 decimals;
        uint256 price; //     USD, 8 decimals
        uint16 ltv;
        uint16 threshold;
        uint16 bonus; //      10000 + the bonus in bps
        uint256 supplied; //  by others, whole tokens
        uint256 borrowed;
        uint16 optimal;
        uint32 slope1;
        uint32 slope2;
    }

    PoolAddressesProvider public provider;
    PoolInstance public pool;
    PoolConfiguratorInstance public configurator;
    AaveOracle public oracle;
    IUniswapV3Factory public factory;
    string[] public symbols;
    mapping(string symbol => TestToken) public token;
    mapping(string symbol => RoundFeed) public feed;
    mapping(string symbol => uint256) public decimalsOf;

    constructor() {
        vm.warp(1_700_000_000);
        provider = new PoolAddressesProvider("Local", address(this));
        provider.setACLAdmin(address(this));
        ACLManager acl = new ACLManager(provider);
        provider.setACLManager(address(acl));
        acl.addPoolAdmin(address(this));
        Reserve[] memory reserves = _reserves();
        for (uint256 i = 0; i < reserves.length; i++) {
            Reserve memory r = reserves[i];
            symbols.push(r.symbol);
            token[r.symbol] = new TestToken(r.symbol, r.symbol, r.decimals);
            feed[r.symbol] = new RoundFeed(r.symbol);
            decimalsOf[r.symbol] = r.decimals;
            feed[r.symbol].push(int256(r.price), block.timestamp - 60);
        }
        _deployAave(reserves);
        _lend(reserves);
        bytes memory code = vm.parseJsonBytes(vm.readFile(FACTORY_JSON), ".bytecode");
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        factory = IUniswapV3Factory(made);
    }

    /// @notice A pool calls back, which a contract in construction cannot answer.
    function openPools() external {
        openPool("WETH", "USDC", 500, 850e6, WAD);
        openPool("WBTC", "USDC", 3_000, 100e6, WAD);
        openPool("WBTC", "WETH", 500, 180e6, WAD);
        openPool("LINK", "USDC", 3_000, 10e6, WAD);
        openPool("LINK", "WETH", 3_000, 45e6, WAD);
        openPool("UNI", "USDC", 3_000, 4e6, WAD);
        openPool("UNI", "WETH", 3_000, 40e6, WAD);
    }

    // ---------------------------------------------------------------- for tests

    function at(string memory symbol) public view returns (address) {
        return address(token[symbol]);
    }

    function fund(string memory symbol, address to, uint256 amount) external {
        token[symbol].mint(to, amount);
    }

    function price(string memory symbol) public view returns (uint256) {
        return uint256(feed[symbol].latestAnswer());
    }

    function publish(string memory symbol, uint256 answer) public {
        feed[symbol].push(int256(answer), block.timestamp);
    }

    /// @notice Every feed says again what it said.
    function refresh() external {
        for (uint256 i = 0; i < symbols.length; i++) {
            publish(symbols[i], price(symbols[i]));
        }
    }

    /// @notice Every feed but USDC's moves by that factor (1e18 = 1).
    function moveAll(uint256 factor) external {
        for (uint256 i = 0; i < symbols.length; i++) {
            bool cash = keccak256(bytes(symbols[i])) == keccak256("USDC");
            publish(symbols[i], cash ? price(symbols[i]) : price(symbols[i]) * factor / WAD);
        }
    }

    /// @param factor Price of the first symbol against its feeds', 1e18 = 1.
    /// @return made The pool, with full-range liquidity as deep as `virtualUsd` whole dollars on each side.
    function openPool(string memory a, string memory b, uint24 fee, uint256 virtualUsd, uint256 factor)
        public
        returns (IUniswapV3Pool made)
    {
        address found = factory.getPool(at(a), at(b), fee);
        made = IUniswapV3Pool(found == address(0) ? factory.createPool(at(a), at(b), fee) : found);
        bool first = at(a) < at(b);
        (string memory s0, string memory s1) = first ? (a, b) : (b, a);
        uint256 p0 = price(s0) * (first ? factor : WAD);
        uint256 p1 = price(s1) * (first ? WAD : factor);
        uint256 d0 = 10 ** decimalsOf[s0];
        uint256 d1 = 10 ** decimalsOf[s1];
        (uint160 sqrtPrice,,,,,,) = made.slot0();
        if (sqrtPrice == 0) {
            made.initialize(uint160(Math.sqrt(Math.mulDiv(p0 * d1, 1 << 96, p1 * d0)) << 48));
            made.increaseObservationCardinalityNext(10);
        }
        uint256 x = Math.mulDiv(virtualUsd * 1e8 * WAD, d0, p0);
        uint256 y = Math.mulDiv(virtualUsd * 1e8 * WAD, d1, p1);
        int24 spacing = made.tickSpacing();
        int24 edge = MAX_TICK / spacing * spacing;
        made.mint(address(this), -edge, edge, uint128(Math.sqrt(x * y)), "");
    }

    function poolOf(string memory a, string memory b, uint24 fee) external view returns (address) {
        return factory.getPool(at(a), at(b), fee);
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        TestToken(IUniswapV3Pool(msg.sender).token0()).mint(msg.sender, owed0);
        TestToken(IUniswapV3Pool(msg.sender).token1()).mint(msg.sender, owed1);
    }

    /// @notice Anybody's trade: sells `amount` raw units of `symbol` into a pool, to itself, for whatever it gives.
    function trade(IUniswapV3Pool where, string memory symbol, uint256 amount) external {
        bool zeroForOne = where.token0() == at(symbol);
        uint160 limit = zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        where.swap(address(this), zeroForOne, int256(amount), limit, "");
    }

    /// @notice Moves a pool until `a` costs `bps` less of `b` than by the feeds.
    function skew(IUniswapV3Pool where, string memory a, string memory b, uint256 bps) public {
        uint256 p0 = price(a) * (10_000 - bps) / 10_000;
        bool first = where.token0() == at(a);
        (uint256 n, uint256 d) = (p0 * 10 ** decimalsOf[b], price(b) * 10 ** decimalsOf[a]);
        uint160 target = uint160(Math.sqrt(first ? Math.mulDiv(n, 1 << 96, d) : Math.mulDiv(d, 1 << 96, n)) << 48);
        (uint160 now_,,,,,,) = where.slot0();
        if (target != now_) where.swap(address(this), target < now_, type(int128).max, target, "");
    }

    /// @notice Moves a pool to the feeds' price.
    function arbitrage(IUniswapV3Pool where, string memory a, string memory b) external {
        skew(where, a, b, 0);
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external {
        if (delta0 > 0) TestToken(IUniswapV3Pool(msg.sender).token0()).mint(msg.sender, uint256(delta0));
        if (delta1 > 0) TestToken(IUniswapV3Pool(msg.sender).token1()).mint(msg.sender, uint256(delta1));
    }

    function setFreeze(string memory symbol, bool frozen) external {
        configurator.setReserveFreeze(at(symbol), frozen);
    }

    function setSource(string memory symbol, address source) external {
        (address[] memory assets, address[] memory sources) = (new address[](1), new address[](1));
        (assets[0], sources[0]) = (at(symbol), source);
        oracle.setAssetSources(assets, sources);
    }

    function lowerThreshold(string memory symbol, uint16 threshold) external {
        configurator.configureReserveAsCollateral(at(symbol), threshold - 1_000, threshold, 10_500);
    }

    function upgradeReceipt(string memory symbol, address implementation) external {
        configurator.updateAToken(
            ConfiguratorInputTypes.UpdateATokenInput(at(symbol), symbol, symbol, implementation, "")
        );
    }

    /// @notice An eMode category that takes these as collateral and lends USDC.
    function openCategory(uint8 id, string[] memory collateral, uint16 ltv, uint16 threshold) external {
        configurator.setEModeCategory(id, ltv, threshold, 10_200, "category");
        for (uint256 i = 0; i < collateral.length; i++) {
            configurator.setAssetCollateralInEMode(at(collateral[i]), id, true);
        }
        configurator.setAssetBorrowableInEMode(at("USDC"), id, true);
    }

    // -------------------------------------------------------------------- Aave

    function _deployAave(Reserve[] memory reserves) private {
        address[] memory assets = new address[](reserves.length);
        address[] memory sources = new address[](reserves.length);
        for (uint256 i = 0; i < reserves.length; i++) {
            assets[i] = at(reserves[i].symbol);
            sources[i] = address(feed[reserves[i].symbol]);
        }
        oracle = new AaveOracle(provider, assets, sources, address(0), address(0), 1e8);
        provider.setPriceOracle(address(oracle));
        DefaultReserveInterestRateStrategyV2 rates = new DefaultReserveInterestRateStrategyV2(address(provider));
        provider.setPoolImpl(address(new PoolInstance(provider, rates)));
        pool = PoolInstance(provider.getPool());
        provider.setPoolConfiguratorImpl(address(new PoolConfiguratorInstance()));
        configurator = PoolConfiguratorInstance(provider.getPoolConfigurator());
        provider.setPoolDataProvider(address(new AaveProtocolDataProvider(provider)));
        address aToken = address(new ATokenInstance(pool, address(0), address(this)));
        address debtToken = address(new VariableDebtTokenInstance(pool, address(0)));
        ConfiguratorInputTypes.InitReserveInput[] memory inputs =
            new ConfiguratorInputTypes.InitReserveInput[](reserves.length);
        for (uint256 i = 0; i < reserves.length; i++) {
            Reserve memory r = reserves[i];
            inputs[i] = ConfiguratorInputTypes.InitReserveInput({
                aTokenImpl: aToken,
                variableDebtTokenImpl: debtToken,
                underlyingAsset: assets[i],
                aTokenName: r.symbol,
                aTokenSymbol: r.symbol,
                variableDebtTokenName: r.symbol,
                variableDebtTokenSymbol: r.symbol,
                params: "",
                interestRateData: abi.encode(r.optimal, uint32(0), r.slope1, r.slope2)
            });
        }
        configurator.initReserves(inputs);
        for (uint256 i = 0; i < reserves.length; i++) {
            Reserve memory r = reserves[i];
            configurator.configureReserveAsCollateral(assets[i], r.ltv, r.threshold, r.bonus);
            configurator.setReserveBorrowing(assets[i], true);
            configurator.setReserveFlashLoaning(assets[i], true);
            configurator.setReserveFactor(assets[i], 1_000);
        }
        configurator.updateFlashloanPremium(5);
    }

    function _lend(Reserve[] memory reserves) private {
        for (uint256 i = 0; i < reserves.length; i++) {
            Reserve memory r = reserves[i];
            uint256 amount = r.supplied * 10 ** r.decimals;
            token[r.symbol].mint(address(this), amount);
            token[r.symbol].approve(address(pool), type(uint256).max);
            pool.supply(at(r.symbol), amount, address(this), 0);
        }
        for (uint256 i = 0; i < reserves.length; i++) {
            pool.borrow(at(reserves[i].symbol), reserves[i].borrowed * 10 ** reserves[i].decimals, 2, 0, address(this));
        }
    }

    function _reserves() private pure returns (Reserve[] memory r) {
        r = new Reserve[](5);
        r[0] = Reserve("USDC", 6, 1e8, 7_700, 8_000, 10_450, 400_000_000, 300_000_000, 9_000, 350, 6_000);
        r[1] = Reserve("WBTC", 8, 40_000e8, 7_300, 7_800, 10_500, 4_000, 200, 4_500, 400, 30_000);
        r[2] = Reserve("WETH", 18, 2_000e8, 8_050, 8_300, 10_500, 200_000, 100_000, 8_000, 280, 8_000);
        r[3] = Reserve("LINK", 18, 15e8, 5_300, 6_800, 10_700, 1_000_000, 20_000, 4_500, 700, 30_000);
        r[4] = Reserve("UNI", 18, 6e8, 6_500, 7_700, 11_000, 500_000, 10_000, 4_500, 700, 30_000);
    }
}
