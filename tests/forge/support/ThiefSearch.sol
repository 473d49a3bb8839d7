// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Thief} from "./Thief.sol";

/// @notice Two searches for the plan that takes most: random plans, and hill climbing from each plan of the audit.
/// @dev CALLS, of each search over all vaults together, and SEED come from the environment. The best plan of a search is written to `.cache/forge/thief`; those in
/// `tests/forge/kept` are played at every run.
abstract contract ThiefSearch is Thief {
    string private constant FOUND = ".cache/forge/thief/";
    string private constant KEPT = "tests/forge/kept/";
    uint256 private constant VAULTS = 8;
    uint256 private constant CALLS_IN_THE_SUITE = 480;

    struct Best {
        bytes plan;
        Take take;
        uint256 calls;
        uint256 plans;
    }

    function setUp() public {
        setScene(true);
        leveredTo18();
        wait_(2 days);
        open();
        ownPool = m.openPool("LINK", "USDC", 500, 1_000_000, 0.5e18);
    }

    function name() internal pure virtual returns (string memory);

    /// @notice The most that any 24 hours may cost, in 1e-9 of NAV.
    function limit() internal pure virtual returns (uint256);

    /// @notice The audit's plans against this vault.
    function audits() internal pure virtual returns (bytes[] memory);

    /// @notice What the search raises.
    function score(Take memory t) internal pure virtual returns (uint256) {
        return t.worstDay + t.all / 1_000;
    }

    // ---------------------------------------------------------------- tests

    function test_random_plans_take_no_more_than_the_limit() public {
        uint256 seed = vm.envOr("SEED", uint256(1));
        uint256 calls = vm.envOr("CALLS", CALLS_IN_THE_SUITE) / VAULTS;
        uint256 length = audits()[0].length;
        uint256 state = vm.snapshotState();
        Best memory best;
        while (best.calls < calls) {
            bytes memory plan = new bytes(length);
            seed = _fill(plan, seed);
            _try(best, plan, state);
        }
        _tell("random", best);
    }

    function test_climbing_from_the_audits_plans_takes_no_more_than_the_limit() public {
        uint256 seed = vm.envOr("SEED", uint256(1));
        uint256 calls = vm.envOr("CALLS", CALLS_IN_THE_SUITE) / VAULTS;
        bytes[] memory starts = audits();
        uint256 state = vm.snapshotState();
        Best memory best;
        for (uint256 i = 0; i < starts.length; i++) {
            Best memory here;
            _try(here, starts[i], state);
            while (here.calls < calls / starts.length) {
                bytes memory plan = bytes.concat(here.plan);
                seed = _change(plan, seed);
                _try(here, plan, state);
            }
            bool better = i == 0 || score(here.take) > score(best.take);
            if (better) (best.plan, best.take) = (here.plan, here.take);
            (best.calls, best.plans) = (best.calls + here.calls, best.plans + here.plans);
        }
        _tell("guided", best);
    }

    function test_the_best_plans_that_were_found_take_what_is_written() public {
        uint256 state = vm.snapshotState();
        string[2] memory searches = ["random", "guided"];
        for (uint256 i = 0; i < 2; i++) {
            string memory json = vm.readFile(string.concat(KEPT, name(), "-", searches[i], ".json"));
            Take memory t = this.play(vm.parseJsonBytes(json, ".plan"));
            vm.revertToState(state);
            say(string.concat(name(), ", ", searches[i], ": worst 24 hours in 1e-9 of NAV"), t.worstDay);
            eq(t.worstDay, vm.parseJsonUint(json, ".worstDay"), "as written");
            eq(t.ofRepaid, vm.parseJsonUint(json, ".ofRepaid"), "as written");
        }
    }

    // ---------------------------------------------------------------- searching

    function _try(Best memory best, bytes memory plan, uint256 state) private {
        Take memory t = this.play(plan);
        vm.revertToState(state);
        atMost(t.worstDay, limit(), "lost in 24 hours");
        atMost(t.ofRepaid, 15_000_000, "a ripcord's cost, of the debt repaid");
        best.calls += t.calls;
        best.plans++;
        if (best.plan.length == 0 || score(t) >= score(best.take)) (best.plan, best.take) = (plan, t);
    }

    /// @return next The seed after it.
    function _fill(bytes memory plan, uint256 seed) private pure returns (uint256 next) {
        for (uint256 i = 0; i < plan.length; i++) {
            if (i % 32 == 0) seed = uint256(keccak256(abi.encode(seed)));
            plan[i] = bytes1(uint8(seed >> (8 * (i % 32))));
        }
        return uint256(keccak256(abi.encode(seed)));
    }

    /// @dev One to four bytes anew; at times an action over another.
    function _change(bytes memory plan, uint256 seed) private pure returns (uint256 next) {
        next = uint256(keccak256(abi.encode(seed)));
        uint256 actions = plan.length / BYTES;
        if (next % 4 == 0) {
            (uint256 from, uint256 to) = ((next >> 8) % actions, (next >> 24) % actions);
            for (uint256 i = 0; i < BYTES; i++) {
                plan[to * BYTES + i] = plan[from * BYTES + i];
            }
        }
        for (uint256 i = 0; i <= (next >> 40) % 4; i++) {
            plan[(next >> (48 + 32 * i)) % plan.length] = bytes1(uint8(next >> (64 + 32 * i)));
        }
    }

    function _tell(string memory search, Best memory b) private {
        string memory who = string.concat(name(), ", ", search);
        say(string.concat(who, ": calls"), b.calls);
        say(string.concat(who, ": plans"), b.plans);
        say(string.concat(who, ": worst 24 hours in 1e-9 of NAV"), b.take.worstDay);
        say(string.concat(who, ": all of it"), b.take.all);
        if (b.take.ofRepaid != 0) say(string.concat(who, ": a ripcord in 1e-9 of its debt"), b.take.ofRepaid);
        if (vm.envOr("CALLS", uint256(0)) == 0) return;
        vm.createDir(FOUND, true);
        string memory json = string.concat(
            '{"seed": ', vm.toString(vm.envOr("SEED", uint256(1))), ', "calls": ', vm.toString(b.calls),
            ', "worstDay": ', vm.toString(b.take.worstDay), ', "all": ', vm.toString(b.take.all),
            ', "ofRepaid": ', vm.toString(b.take.ofRepaid), ', "plan": "', vm.toString(b.plan), '"}\n'
        );
        vm.writeFile(string.concat(FOUND, name(), "-", search, ".json"), json);
    }

    // ---------------------------------------------------------------- plans in words

    /// @param usd In 256ths of NAV, at most 256.
    /// @param wait Which of Thief's waits.
    function action(uint256 kind, uint256 asset, uint256 usd, uint256 skew, uint256 truth, uint256 wait, uint256 who)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(
            uint8(kind), uint8(asset), uint8(0), uint8(usd - 1), uint8(skew), uint8(truth), uint8(wait), uint8(who)
        );
    }

    function times(uint256 n, bytes memory one) internal pure returns (bytes memory all) {
        for (uint256 i = 0; i < n; i++) {
            all = bytes.concat(all, one);
        }
    }
}
