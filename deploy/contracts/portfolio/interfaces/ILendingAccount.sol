// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

/// @title One position on one venue, owned by one vault.
/// @notice What a venue's adapter implements. Amounts are raw token units, prices USD with 8 decimals, health factors
/// 18 decimals. Whatever moves money is the vault's alone, and money comes from the vault and goes to the vault.
interface ILendingAccount {
    event CategoryChanged(uint8 category);
    event CollateralDropped(address indexed token, uint256 amount);
    event Swept(address indexed token, uint256 amount);

    error NotVault(address caller);
    error ListedToken(address token);
    error UnexpectedFlashLoan();
    error UnknownReserve(address token);

    // ---------------------------------------------------------------- the vault's

    /// @notice Supplies as collateral what the vault has sent here beforehand.
    function supply(address token, uint256 amount) external;

    /// @param amount type(uint256).max for all of it.
    /// @return got What the vault received.
    function withdraw(address token, uint256 amount) external returns (uint256 got);

    function borrow(address token, uint256 amount) external;

    /// @notice Repays with what the vault has sent here beforehand. What the debt did not need goes back.
    function repay(address token, uint256 amount) external returns (uint256 paid);

    /// @notice The venue's collateral category (Aave: eMode). 0 is none.
    function setCategory(uint8 category) external;

    /// @notice Sends `amount` to the vault, calls its `onFlash(token, amount, premium, data)`, and pays the venue back
    /// with what the vault has sent here by then.
    function flash(address token, uint256 amount, bytes calldata data) external;

    /// @notice Looks up what the venue will never change of these tokens, so that no call has to. The registry's, for
    /// what it lists; what the venue does not have is left out.
    function remember(address[] calldata tokens) external;

    // ---------------------------------------------------------------- anybody's

    /// @notice Takes a token that the vault does not list out of the collateral. Its balance goes to the vault where
    /// the venue lets it go. Strangers can supply such a token on the account's behalf.
    function dropCollateral(address token) external;

    /// @notice Sends to the vault what lies here of a token.
    function sweep(address token) external returns (uint256 amount);

    /// @notice Claims the venue's rewards on these tokens for the vault.
    function claimRewards(address[] calldata tokens) external;

    // ---------------------------------------------------------------- views

    function vault() external view returns (address);
    function supplied(address token) external view returns (uint256);
    function owed(address token) external view returns (uint256);

    /// @notice Of every token what the vault has supplied and owes, in their order.
    /// @param weighed Whether thresholds are asked for.
    /// @return supplies Raw units.
    /// @return debts Raw units.
    /// @return thresholds Part of what is supplied that counts in the health factor, in bps, in this account's category;
    /// 0 where nothing is supplied or nothing was asked.
    function positions(address[] calldata tokens, bool weighed)
        external
        view
        returns (uint256[] memory supplies, uint256[] memory debts, uint256[] memory thresholds);

    /// @return type(uint256).max without debt.
    function healthFactor() external view returns (uint256);

    /// @return thresholdBps Part of the value that counts in the health factor, in this account's category.
    /// @return bonusBps What a liquidator takes on top, 0 where the token is no collateral.
    function liquidation(address token) external view returns (uint256 thresholdBps, uint256 bonusBps);

    /// @notice By the venue's own oracle, 0 where it has none, and of address(0). It never reverts.
    function venuePrices(address[] calldata tokens) external view returns (uint256[] memory prices);

    /// @notice What the venue's oracle reads for the token's price; address(0) where it does not say.
    function venueSource(address token) external view returns (address source);
}
