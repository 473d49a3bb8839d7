// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {IAaveOracle} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IAaveOracle.sol";
import {IPriceOracleGetter} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPriceOracleGetter.sol";
import {IPool} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPool.sol";
import {IPoolAddressesProvider} from "@aave-dao/aave-v3-origin/src/contracts/interfaces/IPoolAddressesProvider.sol";
import {DataTypes} from "@aave-dao/aave-v3-origin/src/contracts/protocol/libraries/types/DataTypes.sol";
import {ILendingAccount} from "../interfaces/ILendingAccount.sol";
import {IPortfolio} from "../interfaces/IPortfolio.sol";
import {Answers} from "../Answers.sol";
import {Pages} from "../Pages.sol";

interface IRewardedToken {
    function getIncentivesController() external view returns (address);
}

interface IRewards {
    function claimAllRewards(address[] calldata assets, address to)
        external
        returns (address[] memory tokens, uint256[] memory amounts);
}

/// @title An account on Aave V3.6, made to be cloned.
/// @notice A clone's vault is an immutable argument in its code: there is no initialiser that somebody could call
/// first.
contract AaveV3Account is ILendingAccount {
    using SafeERC20 for IERC20;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.BooleanSlot;

    uint256 private constant VARIABLE_RATE = 2;
    uint16 private constant NO_REFERRAL = 0;
    uint256 private constant THRESHOLD_AT = 16;
    uint256 private constant BONUS_AT = 32;
    uint256 private constant FULL = 10_000;
    /// @dev Aave's two bits of a reserve in the configuration of a user.
    uint256 private constant BORROWED = 1;
    uint256 private constant COLLATERAL = 2;
    bytes32 private constant FLASH_EXPECTED = keccak256("AaveV3Account.flashExpected");

    IPool public immutable POOL;
    IPoolAddressesProvider public immutable PROVIDER;

    /// @dev Aave never changes these of a reserve; kept because asking the pool costs more than a page.
    struct Reserve {
        address aToken;
        uint16 id;
        address debtToken;
    }

    uint256 private constant ID_AT = 160;
    /// @dev Of every reserve that was used three words: its token, its aToken with the id above it, its debt token.
    address private _page;
    /// @dev The pool's own, which nobody else can change: this contract approves no position manager.
    uint8 private _category;

    modifier onlyVault() {
        if (msg.sender != vault()) revert NotVault(msg.sender);
        _;
    }

    constructor(IPool pool) {
        POOL = pool;
        PROVIDER = pool.ADDRESSES_PROVIDER();
    }

    function vault() public view returns (address) {
        return address(bytes20(Clones.fetchCloneArgs(address(this))));
    }

    // ---------------------------------------------------------------- the vault's

    function supply(address token, uint256 amount) external onlyVault {
        Reserve memory reserve = _keep(token);
        IERC20(token).forceApprove(address(POOL), amount);
        POOL.supply(token, amount, address(this), NO_REFERRAL);
        // The first supply of a reserve is not always made collateral by the pool itself.
        if (!_isCollateral(_configuration(), reserve.id)) POOL.setUserUseReserveAsCollateral(token, true);
    }

    function withdraw(address token, uint256 amount) external onlyVault returns (uint256 got) {
        return POOL.withdraw(token, amount, msg.sender);
    }

    function borrow(address token, uint256 amount) external onlyVault {
        _keep(token);
        POOL.borrow(token, amount, VARIABLE_RATE, NO_REFERRAL, address(this));
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    function repay(address token, uint256 amount) external onlyVault returns (uint256 paid) {
        IERC20(token).forceApprove(address(POOL), amount);
        paid = POOL.repay(token, amount, VARIABLE_RATE, address(this));
        if (paid < amount) {
            IERC20(token).forceApprove(address(POOL), 0);
            IERC20(token).safeTransfer(msg.sender, amount - paid);
        }
    }

    function remember(address[] calldata tokens) external {
        // Nobody else: a page that strangers fill costs every call.
        if (msg.sender != address(IPortfolio(vault()).REGISTRY())) revert NotVault(msg.sender);
        uint256[] memory words = _words();
        bytes memory page = abi.encodePacked(words);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (_placeOf(words, tokens[i]) != words.length) continue;
            Reserve memory reserve = _reserve(tokens[i]);
            if (reserve.aToken != address(0)) page = abi.encodePacked(page, _with(new uint256[](0), tokens[i], reserve));
        }
        if (page.length != 32 * words.length) _page = Pages.write(page);
    }

    function setCategory(uint8 category) external onlyVault {
        POOL.setUserEMode(category);
        _category = category;
        emit CategoryChanged(category);
    }

    function flash(address token, uint256 amount, bytes calldata data) external onlyVault {
        FLASH_EXPECTED.asBoolean().tstore(true);
        POOL.flashLoanSimple(address(this), token, amount, data, NO_REFERRAL);
        FLASH_EXPECTED.asBoolean().tstore(false);
    }

    /// @notice Aave's call back inside a flash loan that this account asked for in the same transaction.
    function executeOperation(
        address token,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata data
    ) external returns (bool) {
        if (msg.sender != address(POOL) || initiator != address(this) || !FLASH_EXPECTED.asBoolean().tload()) {
            revert UnexpectedFlashLoan();
        }
        FLASH_EXPECTED.asBoolean().tstore(false);
        address owner = vault();
        IERC20(token).safeTransfer(owner, amount);
        IPortfolio(owner).onFlash(token, amount, premium, data);
        IERC20(token).forceApprove(msg.sender, amount + premium);
        return true;
    }

    // ---------------------------------------------------------------- anybody's

    function dropCollateral(address token) external {
        if (IPortfolio(vault()).isListed(token)) revert ListedToken(token);
        uint256 before = IERC20(token).balanceOf(vault());
        // Either alone is enough to free the rest, and either may be refused: the first by a pause of the reserve,
        // the second where the reserve is no collateral.
        try POOL.withdraw(token, type(uint256).max, vault()) {} catch {}
        try POOL.setUserUseReserveAsCollateral(token, false) {} catch {}
        emit CollateralDropped(token, IERC20(token).balanceOf(vault()) - before);
    }

    function sweep(address token) external returns (uint256 amount) {
        // Aave's own receipts are the position itself.
        if (_isReceipt(token)) revert ListedToken(token);
        amount = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(vault(), amount);
        emit Swept(token, amount);
    }

    function claimRewards(address[] calldata tokens) external {
        address[] memory receipts = new address[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            receipts[i] = POOL.getReserveAToken(tokens[i]);
        }
        IRewards(IRewardedToken(receipts[0]).getIncentivesController()).claimAllRewards(receipts, vault());
    }

    // ---------------------------------------------------------------- views

    function supplied(address token) external view returns (uint256) {
        Reserve memory reserve = _reserve(token);
        return reserve.aToken == address(0) ? 0 : IERC20(reserve.aToken).balanceOf(address(this));
    }

    function owed(address token) external view returns (uint256) {
        Reserve memory reserve = _reserve(token);
        return reserve.debtToken == address(0) ? 0 : IERC20(reserve.debtToken).balanceOf(address(this));
    }

    function positions(address[] calldata tokens, bool weighed)
        external
        view
        returns (uint256[] memory supplies, uint256[] memory debts, uint256[] memory thresholds)
    {
        supplies = new uint256[](tokens.length);
        debts = new uint256[](tokens.length);
        thresholds = new uint256[](weighed ? tokens.length : 0);
        uint256 configuration = _configuration();
        if (configuration == 0) return (supplies, debts, thresholds);
        uint256[] memory words = _words();
        uint256 inCategory = weighed ? _inCategory() : 0;
        // The vault supplies as collateral only. What strangers supply in another way is not counted; it can still be
        // withdrawn.
        for (uint256 i = 0; i < tokens.length; i++) {
            uint256 at = _placeOf(words, tokens[i]);
            if (at == words.length) continue;
            uint256 first = words[at + 1];
            uint256 bits = configuration >> (2 * (first >> ID_AT));
            if (bits & BORROWED != 0) debts[i] = _balance(address(uint160(words[at + 2])));
            if (bits & COLLATERAL == 0) continue;
            supplies[i] = _balance(address(uint160(first)));
            if (weighed) thresholds[i] = _threshold(tokens[i], (inCategory >> (first >> ID_AT)) & 1 != 0);
        }
    }

    function healthFactor() external view returns (uint256 health) {
        (,,,,, health) = POOL.getUserAccountData(address(this));
    }

    function liquidation(address token) external view returns (uint256 thresholdBps, uint256 bonusBps) {
        uint256 configuration = POOL.getConfiguration(token).data;
        thresholdBps = uint16(configuration >> THRESHOLD_AT);
        uint256 bonus = uint16(configuration >> BONUS_AT);
        if ((_inCategory() >> _reserve(token).id) & 1 != 0) {
            DataTypes.CollateralConfig memory inCategory = POOL.getEModeCategoryCollateralConfig(_category);
            (thresholdBps, bonus) = (inCategory.liquidationThreshold, inCategory.liquidationBonus);
        }
        bonusBps = bonus > FULL ? bonus - FULL : 0;
    }

    function venuePrices(address[] calldata tokens) external view returns (uint256[] memory prices) {
        address oracle = PROVIDER.getPriceOracle();
        prices = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; i++) {
            if (tokens[i] == address(0)) continue;
            // One that has no price takes none from the others.
            (, prices[i]) = Answers.tryAsk(oracle, IPriceOracleGetter.getAssetPrice.selector, tokens[i]);
        }
    }

    function venueSource(address token) external view returns (address source) {
        return IAaveOracle(PROVIDER.getPriceOracle()).getSourceOfAsset(token);
    }

    // ---------------------------------------------------------------- internal

    function _keep(address token) private returns (Reserve memory reserve) {
        reserve = _reserve(token);
        if (reserve.aToken == address(0)) revert UnknownReserve(token);
        uint256[] memory words = _words();
        if (_placeOf(words, token) == words.length) _page = Pages.write(_with(words, token, reserve));
    }

    function _with(uint256[] memory words, address token, Reserve memory reserve) private pure returns (bytes memory) {
        uint256 first = uint256(uint160(reserve.aToken)) | (uint256(reserve.id) << ID_AT);
        return abi.encodePacked(words, uint256(uint160(token)), first, uint256(uint160(reserve.debtToken)));
    }

    function _reserve(address token) private view returns (Reserve memory reserve) {
        uint256[] memory words = _words();
        uint256 at = _placeOf(words, token);
        if (at != words.length) {
            uint256 first = words[at + 1];
            return Reserve(address(uint160(first)), uint16(first >> ID_AT), address(uint160(words[at + 2])));
        }
        DataTypes.ReserveDataLegacy memory data = POOL.getReserveData(token);
        return Reserve(data.aTokenAddress, data.id, data.variableDebtTokenAddress);
    }

    /// @return bitmap Of the reserves, by their ids, that count in the account's category as collateral.
    function _inCategory() private view returns (uint256 bitmap) {
        uint8 category = _category;
        if (category != 0) bitmap = POOL.getEModeCategoryCollateralBitmap(category);
    }

    function _threshold(address token, bool inCategory) private view returns (uint256) {
        if (inCategory) return POOL.getEModeCategoryCollateralConfig(_category).liquidationThreshold;
        return uint16(Answers.ask(address(POOL), IPool.getConfiguration.selector, token) >> THRESHOLD_AT);
    }

    function _balance(address token) private view returns (uint256) {
        return Answers.ask(token, IERC20.balanceOf.selector, address(this));
    }

    function _words() private view returns (uint256[] memory words) {
        address page = _page;
        return page == address(0) ? words : Pages.read(page);
    }

    /// @return place Of the token in the page's words; their length where it is not there.
    function _placeOf(uint256[] memory words, address token) private pure returns (uint256 place) {
        uint256 length = words.length;
        assembly ("memory-safe") {
            let word := add(words, 0x20)
            for {} and(lt(place, length), iszero(eq(mload(word), token))) {} {
                place := add(place, 3)
                word := add(word, 0x60)
            }
        }
    }

    function _configuration() private view returns (uint256) {
        return Answers.ask(address(POOL), IPool.getUserConfiguration.selector, address(this));
    }

    function _isCollateral(uint256 configuration, uint16 id) private pure returns (bool) {
        return (configuration >> (uint256(id) * 2)) & COLLATERAL != 0;
    }

    function _isReceipt(address token) private view returns (bool) {
        (bool answered, bytes memory answer) =
            token.staticcall(abi.encodeWithSignature("UNDERLYING_ASSET_ADDRESS()"));
        return answered && answer.length == 32
            && POOL.getReserveAToken(abi.decode(answer, (address))) == token;
    }
}
