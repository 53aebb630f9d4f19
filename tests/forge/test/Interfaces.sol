// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// What the invariants ask of the contracts and of forge. Only what is used.

interface Vm {
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
}

struct Lockup {
    uint256 shares;
    uint256 unlocksAt;
}

interface Token {
    function initialize(address registry, address compliance, string calldata name, string calldata symbol, uint8 decimals, address id) external;
    function addAgent(address agent) external;
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function mint(address to, uint256 amount) external;
    function burn(address from, uint256 amount) external;
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool);
    function recoveryAddress(address lost, address replacement, address identity) external returns (bool);
    function setAddressFrozen(address wallet, bool freeze) external;
    function freezePartialTokens(address wallet, uint256 amount) external;
    function unfreezePartialTokens(address wallet, uint256 amount) external;
    function setFrozenTokens(address wallet, uint256 amount) external returns (bool);
    function lock(address wallet, uint256 shares, uint256 unlocksAt) external;
    function pause() external;
    function unpause() external;
    function paused() external view returns (bool);
    function canTransfer(address from, address to, uint256 amount) external view returns (bool);
    function balanceOf(address wallet) external view returns (uint256);
    function allowance(address holder, address spender) external view returns (uint256);
    function free_balance(address wallet) external view returns (uint256);
    function lockups_of(address wallet) external view returns (Lockup[] memory);
    function getFrozenTokens(address wallet) external view returns (uint256);
    function totalSupply() external view returns (uint256);
}

struct Rules {
    uint256 maximumBalance;
    uint256 supplyCap;
    uint256 holderCap;
    uint256 holders;
    uint256 countryMode;
    bool isBound;
    bool isCounted;
}

interface Joint {
    function initialize(address issuers, address topics, address verifier) external;
    function addAgent(address agent) external;
    function bindToken(address token) external;
    function register_investor(address wallet, address identity, uint16 country, uint256 verifiedUntil) external;
    function deleteIdentity(address wallet) external;
    function updateIdentity(address wallet, address identity) external;
    function updateCountry(address wallet, uint16 country) external;
    function invalidate(address wallet) external;
    function set_rules(address token, uint256 maximumBalance, uint256 supplyCap, uint256 holderCap) external;
    function set_countries(address token, uint256 mode, uint16[] calldata countries) external;
    function isVerified(address wallet) external view returns (bool);
    function identity(address wallet) external view returns (address);
    function investor_balance(address token, address wallet) external view returns (uint256);
    function other_wallets(address wallet) external view returns (address[] memory);
    function rules(address token) external view returns (Rules memory);
}

interface Initialized {
    function initialize() external;
}
