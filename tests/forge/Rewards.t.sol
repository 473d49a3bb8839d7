// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AggregatorInterface} from "@aave-dao/aave-v3-origin/src/contracts/dependencies/chainlink/AggregatorInterface.sol";
import {ATokenInstance} from "@aave-dao/aave-v3-origin/src/contracts/instances/ATokenInstance.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {RewardsDataTypes} from "@aave-dao/aave-v3-origin/src/contracts/rewards/libraries/RewardsDataTypes.sol";
import {RewardsController} from "@aave-dao/aave-v3-origin/src/contracts/rewards/RewardsController.sol";
import {
    PullRewardsTransferStrategy
} from "@aave-dao/aave-v3-origin/src/contracts/rewards/transfer-strategies/PullRewardsTransferStrategy.sol";
import {
    ITransferStrategyBase
} from "@aave-dao/aave-v3-origin/src/contracts/rewards/interfaces/ITransferStrategyBase.sol";
import {ILendingAccount} from "portfolio/interfaces/ILendingAccount.sol";
import {Scene} from "./support/Scene.sol";

/// @notice Aave's own rewards controller pays WETH's suppliers in LINK.
contract RewardsTest is Scene {
    address private constant TREASURY = address(0x7EA5);
    RewardsController private _controller;

    function setUp() public {
        setScene(true);
        leveredTo18();
        _controller = new RewardsController(address(this));
        m.upgradeReceipt("WETH", address(new RewardedReceipt(IPool(m.pool()), address(_controller))));
        m.fund("LINK", TREASURY, 1_000_000e18);
        PullRewardsTransferStrategy strategy =
            new PullRewardsTransferStrategy(address(_controller), address(this), TREASURY);
        address link = m.at("LINK");
        vm.prank(TREASURY);
        IERC20(link).approve(address(strategy), ALL);
        RewardsDataTypes.RewardsConfigInput[] memory config = new RewardsDataTypes.RewardsConfigInput[](1);
        config[0] = RewardsDataTypes.RewardsConfigInput({
            emissionPerSecond: 1e18,
            totalSupply: 0,
            distributionEnd: uint32(block.timestamp + 30 days),
            asset: IPool(m.pool()).getReserveAToken(m.at("WETH")),
            reward: link,
            transferStrategy: ITransferStrategyBase(address(strategy)),
            rewardOracle: AggregatorInterface(m.feed("LINK"))
        });
        _controller.configureAssets(config);
    }

    function test_anybody_claims_the_venues_rewards_for_the_vault_and_for_nobody_else() public {
        wait_(1 days);
        address link = m.at("LINK");
        address[] memory receipts = new address[](1);
        receipts[0] = IPool(m.pool()).getReserveAToken(m.at("WETH"));
        ILendingAccount a = account(0);
        uint256 due = _controller.getUserRewards(receipts, address(a), link);
        atLeast(due, 1e15, "something is due");
        vm.prank(STRANGER);
        vm.expectRevert();
        _controller.claimAllRewardsOnBehalf(receipts, address(a), STRANGER);
        uint256 before = IERC20(link).balanceOf(address(portfolio));
        address[] memory tokens = new address[](1);
        tokens[0] = m.at("WETH");
        vm.prank(STRANGER);
        a.claimRewards(tokens);
        eq(IERC20(link).balanceOf(address(portfolio)) - before, due, "the vault has it");
        eq(IERC20(link).balanceOf(STRANGER) + IERC20(link).balanceOf(address(a)), 0, "and nobody else");
        eq(_controller.getUserRewards(receipts, address(a), link), 0, "all of it");
    }

    function test_a_rewarded_position_still_trades() public {
        wait_(1 days);
        withdraw(0, "WETH", 1e18);
        sell("WETH", PREVIOUS, m.poolOf("WETH", "USDC", 500));
        repay(0, ALL);
        rebalance(0);
    }
}

/// @notice The receipt as Aave runs it where rewards are paid: the same code, with a controller.
contract RewardedReceipt is ATokenInstance {
    constructor(IPool pool, address controller) ATokenInstance(pool, controller, address(1)) {}

    function getRevision() internal pure override returns (uint256) {
        return ATOKEN_REVISION + 1;
    }
}
