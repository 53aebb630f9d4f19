// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Initialized, Joint, Token} from "./Interfaces.sol";

interface Symbolic {
    function getCode(string calldata path) external view returns (bytes memory);
    function prank(address sender) external;
    function assume(bool condition) external;
}

interface PaymentToken {
    function initialize(string calldata name, string calldata symbol, uint8 decimals) external;
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address holder) external view returns (uint256);
}

interface Payout {
    function open_distribution(bytes32 id, address paymentToken, uint256 expiresAt) external returns (bytes32);
    function fund(bytes32 id, uint256 amount) external returns (uint256);
    function publish_run(bytes32 id, bytes32 run, bytes32 root, uint256 expiresAt) external;
    function claim(bytes32 distribution, address account, uint256 cumulative, bytes32[] calldata proof) external returns (uint256);
    function claimed(bytes32 distribution, address account) external view returns (uint256);
}

interface Settlement {
    struct Market {
        address security;
        address paymentToken;
        bytes32 marketId;
    }

    struct Order {
        address maker;
        bool isSale;
        uint256 quantity;
        uint256 payment;
        uint256 minimumFill;
        uint256 feeBpsMax;
        uint256 expiresAt;
        uint256 nonce;
    }

    struct Terms {
        uint256 tradeId;
        uint256 quantity;
        uint256 payment;
        uint256 buyerFee;
        uint256 sellerFee;
    }

    function initialize(address feeReceiver) external;
    function addAgent(address agent) external;
    function settle(Market calldata m, Order calldata buy, Order calldata sell, Terms calldata t, bytes calldata b, bytes calldata s) external;
    function filled(Market calldata market, Order calldata order) external view returns (uint256);
}

/// A wallet that is a contract and has signed whatever it is asked about (ERC-1271): signatures are not what is proved here.
contract Maker {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }

    function approve(address spender, address token) external {
        PaymentToken(token).approve(spender, type(uint256).max);
    }
}

/// Proved for every number there is, by halmos: each `check_` is one theorem about the compiled contracts.
contract Proofs {
    Symbolic internal constant vm = Symbolic(address(uint160(uint256(keccak256("hevm cheat code")))));
    address internal constant ANN = address(0xA11CE);
    address internal constant BOB = address(0xB0B);
    address internal constant EVE = address(0xE7E);

    Token internal token;
    PaymentToken internal money;
    Payout internal payout;
    Settlement internal settlement;
    Maker internal buyer;
    Maker internal seller;

    function setUp() public {
        address issuers = deploy("trusted_issuers_registry");
        address topics = deploy("claim_topics_registry");
        Initialized(issuers).initialize();
        Initialized(topics).initialize();
        Joint joint = Joint(deploy("joint_compliance"));
        joint.initialize(issuers, topics, deploy("claim_verifier"));
        token = Token(deploy("security_token"));
        joint.bindToken(address(token));
        token.initialize(address(joint), address(joint), "Acme Common", "ACME", 0, address(0));
        joint.addAgent(address(this));
        token.addAgent(address(this));
        joint.register_investor(ANN, address(0), 276, 2 ** 39);
        joint.register_investor(BOB, address(0), 250, 2 ** 39);
        token.unpause();
        money = PaymentToken(deploy("payment_token"));
        money.initialize("Test Dollar", "tUSD", 6);
        payout = Payout(deploy("payout"));
        settlement = Settlement(deploy("delivery_versus_payment"));
        settlement.initialize(EVE);
        settlement.addAgent(address(this));
        buyer = new Maker();
        seller = new Maker();
        joint.register_investor(address(buyer), address(0), 276, 2 ** 39);
        joint.register_investor(address(seller), address(0), 276, 2 ** 39);
        buyer.approve(address(settlement), address(money));
        seller.approve(address(settlement), address(token));
    }

    /// A transfer moves exactly its amount, at most what is free, and changes nothing else.
    function check_a_transfer_moves_its_amount_and_nothing_else(uint96 held, uint96 others, uint96 frozen, uint256 amount) public {
        vm.assume(uint256(held) + others < 2 ** 96);
        token.mint(ANN, held);
        token.mint(BOB, others);
        vm.assume(frozen <= held);
        token.freezePartialTokens(ANN, frozen);
        vm.prank(ANN);
        (bool done,) = address(token).call(abi.encodeCall(Token.transfer, (BOB, amount)));
        assert(done == (amount <= uint256(held) - frozen));
        uint256 moved = done ? amount : 0;
        assert(token.balanceOf(ANN) == held - moved);
        assert(token.balanceOf(BOB) == others + moved);
        assert(token.getFrozenTokens(ANN) == frozen);
        assert(token.totalSupply() == uint256(held) + others);
    }

    /// A transfer by approval spends exactly its amount of the approval, and never more than there is.
    function check_an_approval_is_spent_exactly(uint96 held, uint256 approved, uint256 amount) public {
        token.mint(ANN, held);
        vm.prank(ANN);
        token.approve(EVE, approved);
        vm.prank(EVE);
        (bool done,) = address(token).call(abi.encodeCall(Token.transferFrom, (ANN, BOB, amount)));
        assert(done == (amount <= held && amount <= approved));
        uint256 moved = done ? amount : 0;
        assert(token.balanceOf(BOB) == moved);
        assert(token.allowance(ANN, EVE) == (approved == type(uint256).max ? approved : approved - moved));
    }

    /// Nobody without the agent's role issues, burns or forces anything.
    function check_only_an_agent_makes_or_takes_shares(address caller, uint96 held, uint256 amount) public {
        vm.assume(caller != address(this));
        token.mint(ANN, held);
        vm.prank(caller);
        (bool minted,) = address(token).call(abi.encodeCall(Token.mint, (BOB, amount)));
        vm.prank(caller);
        (bool burned,) = address(token).call(abi.encodeCall(Token.burn, (ANN, amount)));
        vm.prank(caller);
        (bool forced,) = address(token).call(abi.encodeCall(Token.forcedTransfer, (ANN, BOB, amount)));
        assert(!minted && !burned && !forced);
        assert(token.balanceOf(ANN) == held && token.balanceOf(BOB) == 0 && token.totalSupply() == held);
    }

    /// A forced transfer and a burn take free shares before frozen ones, and never leave more frozen than held.
    function check_frozen_shares_go_last(uint96 held, uint96 frozen, uint96 taken, bool burn) public {
        vm.assume(frozen <= held && taken <= held);
        token.mint(ANN, held);
        token.freezePartialTokens(ANN, frozen);
        if (burn) token.burn(ANN, taken);
        else token.forcedTransfer(ANN, BOB, taken);
        uint256 left = uint256(held) - taken;
        assert(token.balanceOf(ANN) == left);
        assert(token.getFrozenTokens(ANN) == (frozen < left ? frozen : left));
    }

    /// Two claims of one account pay together what was due in all, out of what was put in, and not a unit more.
    function check_claims_pay_what_is_due_once(uint96 funded, uint96 first, uint96 second) public {
        vm.assume(funded > 0);
        money.mint(address(this), funded);
        money.approve(address(payout), funded);
        bytes32 distribution = payout.open_distribution("d", address(money), block.timestamp + 10);
        payout.fund("d", funded);
        bytes32[] memory none = new bytes32[](0);
        payout.publish_run("d", "one", _leaf(first), block.timestamp + 10);
        (bool done,) = address(payout).call(abi.encodeCall(Payout.claim, (distribution, ANN, first, none)));
        assert(done == (first > 0 && first <= funded));
        uint256 paid = done ? first : 0;
        (bool again,) = address(payout).call(abi.encodeCall(Payout.claim, (distribution, ANN, first, none)));
        assert(!again || !done);
        payout.publish_run("d", "two", _leaf(second), block.timestamp + 10);
        (done,) = address(payout).call(abi.encodeCall(Payout.claim, (distribution, ANN, second, none)));
        assert(done == (second > paid && uint256(second) <= funded));
        if (done) paid = second;
        assert(money.balanceOf(ANN) == paid);
        assert(money.balanceOf(address(payout)) == uint256(funded) - paid);
        assert(payout.claimed(distribution, ANN) == paid);
    }

    /// Whatever trade an operator makes of two orders moves its quantity, its payment and its fees, within what both signed, or nothing.
    function check_a_trade_moves_what_it_says_or_nothing(
        uint96 held,
        uint96 funds,
        Settlement.Terms calldata terms
    ) public {
        token.mint(address(seller), held);
        money.mint(address(buyer), funds);
        Settlement.Market memory market = Settlement.Market(address(token), address(money), "m");
        uint256 end = block.timestamp + 10;
        Settlement.Order memory buy = Settlement.Order(address(buyer), false, 1_000, 250_000, 0, 25, end, 1);
        Settlement.Order memory sell = Settlement.Order(address(seller), true, 600, 120_000, 0, 50, end, 2);
        (bool done,) = address(settlement).call(abi.encodeCall(Settlement.settle, (market, buy, sell, terms, hex"01", hex"01")));
        if (!done) {
            assert(token.balanceOf(address(seller)) == held && token.balanceOf(address(buyer)) == 0);
            assert(money.balanceOf(address(buyer)) == funds && money.balanceOf(address(seller)) == 0 && money.balanceOf(EVE) == 0);
            return;
        }
        assert(terms.quantity > 0 && terms.quantity <= 600);
        // At most 250 for a share by the buyer's order, at least 200 by the seller's.
        assert(terms.payment <= 250 * terms.quantity && terms.payment >= 200 * terms.quantity);
        assert(terms.buyerFee <= terms.payment * 25 / 10_000 && terms.sellerFee <= terms.payment * 50 / 10_000);
        assert(token.balanceOf(address(seller)) == held - terms.quantity);
        assert(token.balanceOf(address(buyer)) == terms.quantity);
        assert(money.balanceOf(address(buyer)) == funds - terms.payment - terms.buyerFee);
        assert(money.balanceOf(address(seller)) == terms.payment - terms.sellerFee);
        assert(money.balanceOf(EVE) == terms.buyerFee + terms.sellerFee);
    }

    function _leaf(uint256 cumulative) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(ANN, cumulative))));
    }

    function deploy(string memory name) internal returns (address made) {
        bytes memory code = vm.getCode(string.concat("../../build/halmos/", name, ".json"));
        assembly {
            made := create(0, add(code, 0x20), mload(code))
        }
        require(made != address(0));
    }
}
