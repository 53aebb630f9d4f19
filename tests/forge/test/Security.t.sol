// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Handler} from "./Handler.sol";
import {Initialized, Joint, Lockup, Rules, Token, Vm} from "./Interfaces.sol";

/// What always holds of a security, whatever people, agent, registry and rules do, in any order.
contract SecurityInvariants {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Token internal token;
    Joint internal joint;
    Handler internal handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        address issuers = deploy("trusted_issuers_registry");
        address topics = deploy("claim_topics_registry");
        Initialized(issuers).initialize();
        Initialized(topics).initialize();
        joint = Joint(deploy("joint_compliance"));
        joint.initialize(issuers, topics, deploy("claim_verifier"));
        token = Token(deploy("security_token"));
        joint.bindToken(address(token));
        token.initialize(address(joint), address(joint), "Acme Common", "ACME", 0, address(0));
        handler = new Handler(token, joint);
        joint.addAgent(address(handler));
        token.addAgent(address(handler));
        for (uint256 i = 0; i < 6; ++i) handler.register(i, 1, i, 600);
        handler.pause(0);
    }

    /// Forge calls these at random, and nothing else.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// In one campaign, so that each call is looked at from every side.
    function invariant_a_security_keeps_its_promises() external view {
        balances_add_up_to_the_supply();
        no_more_is_locked_than_held_and_free_is_what_is_left();
        holders_are_counted_exactly();
        the_pre_check_and_the_act_agree();
        nobody_unverified_gains();
        no_rule_is_broken();
    }

    function balances_add_up_to_the_supply() internal view {
        address[] memory people = handler.everybody();
        uint256 sum = 0;
        for (uint256 i = 0; i < people.length; ++i) sum += token.balanceOf(people[i]);
        require(sum == token.totalSupply(), "balances and supply differ");
    }

    function no_more_is_locked_than_held_and_free_is_what_is_left() internal view {
        address[] memory people = handler.everybody();
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 held = token.balanceOf(people[i]);
            uint256 locked = 0;
            Lockup[] memory lockups = token.lockups_of(people[i]);
            for (uint256 j = 0; j < lockups.length; ++j) locked += lockups[j].shares;
            uint256 kept = token.getFrozenTokens(people[i]) + locked;
            require(locked <= held, "more is locked than held");
            require(token.free_balance(people[i]) == (kept > held ? 0 : held - kept), "free is not what is left");
        }
    }

    function holders_are_counted_exactly() internal view {
        address[] memory people = handler.everybody();
        uint256 holders = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            if (token.balanceOf(people[i]) == 0) continue;
            // An investor counts by the first of the wallets that hold anything.
            bool isFirst = true;
            address[] memory others = joint.other_wallets(people[i]);
            for (uint256 j = 0; j < i; ++j) {
                for (uint256 k = 0; k < others.length; ++k) {
                    if (others[k] == people[j] && token.balanceOf(people[j]) > 0) isFirst = false;
                }
            }
            if (isFirst) ++holders;
        }
        Rules memory rules = joint.rules(address(token));
        require(holders == rules.holders, "holders are miscounted");
    }

    function the_pre_check_and_the_act_agree() internal view {
        require(!handler.disagreed(), "pre-check and act differ");
    }

    function nobody_unverified_gains() internal view {
        require(!handler.unverifiedGained(), "an unverified wallet gained");
    }

    function no_rule_is_broken() internal view {
        require(!handler.ruleBroken(), "a rule was broken");
    }

    function deploy(string memory name) internal returns (address made) {
        string memory artifact = vm.readFile(string.concat("../../src/muniment/infra/evm/artifacts/", name, ".json"));
        bytes memory code = vm.parseJsonBytes(artifact, ".bytecode");
        assembly {
            made := create(0, add(code, 0x20), mload(code))
        }
        require(made != address(0), name);
    }
}
