// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Joint, Rules, Token, Vm} from "./Interfaces.sol";

/// Does what people do with a security, with numbers and people that forge chooses, and takes notes of what must never be.
contract Handler {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant PEOPLE = 10;

    Token public immutable token;
    Joint public immutable joint;
    address[] internal people;

    /// The pre-check and the act said different things.
    bool public disagreed;
    /// A wallet that was not verified came to hold more.
    bool public unverifiedGained;
    /// A rule was broken by an act that it binds.
    bool public ruleBroken;
    uint256 public moves;

    constructor(Token token_, Joint joint_) {
        token = token_;
        joint = joint_;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            people.push(address(uint160(uint256(keccak256(abi.encode("person", i))))));
        }
    }

    function person(uint256 seed) public view returns (address) {
        return people[seed % PEOPLE];
    }

    function everybody() external view returns (address[] memory) {
        return people;
    }

    // People

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        address sender = person(from);
        address receiver = person(to);
        amount = _amount(amount, token.balanceOf(sender));
        bool expected = token.canTransfer(sender, receiver, amount);
        uint256 before = token.balanceOf(receiver);
        vm.prank(sender);
        (bool done,) = address(token).call(abi.encodeCall(Token.transfer, (receiver, amount)));
        _note(done, expected, sender, receiver, before, true);
    }

    function transferFrom(uint256 spender, uint256 from, uint256 to, uint256 amount) external {
        address sender = person(from);
        address receiver = person(to);
        amount = _amount(amount, token.balanceOf(sender));
        bool expected = token.canTransfer(sender, receiver, amount) && token.allowance(sender, person(spender)) >= amount;
        uint256 before = token.balanceOf(receiver);
        vm.prank(person(spender));
        (bool done,) = address(token).call(abi.encodeCall(Token.transferFrom, (sender, receiver, amount)));
        _note(done, expected, sender, receiver, before, true);
    }

    function approve(uint256 holder, uint256 spender, uint256 amount) external {
        vm.prank(person(holder));
        token.approve(person(spender), amount);
    }

    // The agent, which this contract is

    function mint(uint256 to, uint256 amount) external {
        address receiver = person(to);
        amount = amount % 1_000;
        bool expected = token.canTransfer(address(0), receiver, amount);
        uint256 before = token.balanceOf(receiver);
        (bool done,) = address(token).call(abi.encodeCall(Token.mint, (receiver, amount)));
        _note(done, expected, address(0), receiver, before, true);
        uint256 cap = joint.rules(address(token)).supplyCap;
        if (done && cap != 0 && token.totalSupply() > cap) ruleBroken = true;
    }

    function burn(uint256 from, uint256 amount) external {
        address holder = person(from);
        uint256 balance = token.balanceOf(holder);
        amount = _amount(amount, balance);
        (bool done,) = address(token).call(abi.encodeCall(Token.burn, (holder, amount)));
        if (done != (amount <= balance)) disagreed = true;
    }

    function force(uint256 from, uint256 to, uint256 amount) external {
        address sender = person(from);
        address receiver = person(to);
        amount = _amount(amount, token.balanceOf(sender));
        bool expected = amount <= token.balanceOf(sender) && joint.isVerified(receiver);
        uint256 before = token.balanceOf(receiver);
        (bool done,) = address(token).call(abi.encodeCall(Token.forcedTransfer, (sender, receiver, amount)));
        _note(done, expected, sender, receiver, before, false);
    }

    function recover(uint256 from, uint256 to) external {
        address receiver = person(to);
        uint256 before = token.balanceOf(receiver);
        address identity = joint.identity(person(from));
        (bool done,) = address(token).call(abi.encodeCall(Token.recoveryAddress, (person(from), receiver, identity)));
        if (done) _note(done, true, person(from), receiver, before, false);
    }

    function freeze(uint256 holder, bool whole, uint256 amount) external {
        address wallet = person(holder);
        amount = _amount(amount, token.balanceOf(wallet));
        if (whole) token.setAddressFrozen(wallet, amount % 4 == 0);
        else _try(abi.encodeCall(Token.freezePartialTokens, (wallet, amount)));
    }

    function unfreeze(uint256 holder, uint256 amount, bool absolute) external {
        address wallet = person(holder);
        amount = _amount(amount, token.getFrozenTokens(wallet));
        if (absolute) _try(abi.encodeCall(Token.setFrozenTokens, (wallet, amount)));
        else _try(abi.encodeCall(Token.unfreezePartialTokens, (wallet, amount)));
    }

    function lock(uint256 holder, uint256 shares, uint256 days_) external {
        address wallet = person(holder);
        _try(abi.encodeCall(Token.lock, (wallet, _amount(shares, token.balanceOf(wallet)), block.timestamp + (days_ % 90) * 1 days)));
    }

    function pause(uint256 seed) external {
        if (token.paused()) token.unpause();
        else if (seed % 8 == 0) token.pause();
    }

    function passTime(uint256 seconds_) external {
        vm.warp(block.timestamp + (seconds_ % 30 days));
    }

    // The registry and the rules

    function register(uint256 wallet, uint256 identity, uint256 country, uint256 days_) external {
        address whose = identity % 3 == 0 ? person(identity / 3) : address(0);
        (bool done,) = address(joint).call(
            abi.encodeCall(
                Joint.register_investor, (person(wallet), whose, uint16(1 + country % 3), block.timestamp + (1 + days_ % 700) * 1 days)
            )
        );
        moves += done ? 1 : 0;
    }

    function regroup(uint256 wallet, uint256 identity, uint256 what) external {
        bytes memory data = what % 4 == 0
            ? abi.encodeCall(Joint.deleteIdentity, (person(wallet)))
            : what % 4 == 1
                ? abi.encodeCall(Joint.invalidate, (person(wallet)))
                : what % 4 == 2
                    ? abi.encodeCall(Joint.updateCountry, (person(wallet), uint16(1 + identity % 3)))
                    : abi.encodeCall(Joint.updateIdentity, (person(wallet), person(identity)));
        (bool done,) = address(joint).call(data);
        moves += done ? 1 : 0;
    }

    function setRules(uint256 maximum, uint256 cap, uint256 holders) external {
        joint.set_rules(
            address(token), maximum % 3 == 0 ? 0 : maximum % 2_000, cap % 3 == 0 ? 0 : cap % 8_000, holders % 3 == 0 ? 0 : holders % PEOPLE
        );
    }

    function setCountries(uint256 mode, uint16 country) external {
        uint16[] memory listed = new uint16[](mode % 3 == 0 ? 0 : 1);
        if (listed.length > 0) listed[0] = 1 + country % 3;
        joint.set_countries(address(token), mode % 3, listed);
    }

    // Notes

    function _note(bool done, bool expected, address sender, address receiver, uint256 before, bool bound) internal {
        if (done != expected) disagreed = true;
        if (!done) return;
        ++moves;
        uint256 held = token.balanceOf(receiver);
        if (held <= before) return;
        if (!joint.isVerified(receiver)) unverifiedGained = true;
        if (!bound) return;
        Rules memory rules = joint.rules(address(token));
        if (rules.maximumBalance != 0 && joint.investor_balance(address(token), receiver) > rules.maximumBalance) {
            // Between an investor's own wallets the sum does not grow: it may have been above a maximum that came later.
            if (!_sameInvestor(sender, receiver)) ruleBroken = true;
        }
    }

    function _sameInvestor(address a, address b) internal view returns (bool) {
        address[] memory others = joint.other_wallets(a);
        for (uint256 i = 0; i < others.length; ++i) if (others[i] == b) return true;
        return a == b;
    }

    function _try(bytes memory data) internal {
        (bool done,) = address(token).call(data);
        moves += done ? 1 : 0;
    }

    /// Mostly an amount that can be had, at times one more than that, at times everything.
    function _amount(uint256 seed, uint256 held) internal pure returns (uint256) {
        if (seed % 7 == 0) return held + 1;
        if (seed % 5 == 0) return held;
        return held == 0 ? 0 : seed % held;
    }
}
