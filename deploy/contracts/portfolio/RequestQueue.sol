// SPDX-License-Identifier: MIT
pragma solidity 0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A batch of requests, which are all settled at one price. A closed batch takes no more of them.
/// @dev `requested` and `filled` are what is given in, `result` what comes out for `filled`. What a settled batch could
/// not fill goes on in the batch `next`.
struct Batch {
    uint128 requested;
    uint128 filled;
    uint128 result;
    uint64 closedAt;
    uint32 next;
    bool settled;
}

/// @dev A controller has at most one request that is not settled.
struct Request {
    uint128 amount;
    uint32 batch;
}

struct Claim {
    uint128 input;
    uint128 output;
}

/// @dev `head` is the next batch to settle, `open` the one that collects. They are the same where nothing waits.
struct Queue {
    uint32 head;
    uint32 open;
    uint128 pending;
    mapping(uint256 id => Batch) batches;
    mapping(address controller => Request) requests;
    mapping(address controller => Claim) claims;
}

/// @notice Requests in batches: batches in order, within a batch pro rata.
library RequestQueue {
    using Math for uint256;

    error RequestPending(uint256 batch);
    error NothingClosed();
    error ClaimExceeded(uint256 wanted, uint256 claimable);
    error NotCancellable(uint256 batch);

    function start(Queue storage q, uint32 id) internal {
        (q.head, q.open) = (id, id);
    }

    function add(Queue storage q, address controller, uint256 amount) public returns (uint256 id) {
        roll(q, controller);
        id = q.open;
        Request storage r = q.requests[controller];
        if (r.batch != 0 && r.batch != id) revert RequestPending(r.batch);
        r.batch = uint32(id);
        r.amount += uint128(amount);
        q.batches[id].requested += uint128(amount);
        q.pending += uint128(amount);
    }

    /// @return amount What the request gave in. The batch must still be open, or `late` says that it may be left.
    function cancel(Queue storage q, address controller, bool late) public returns (uint256 amount) {
        roll(q, controller);
        Request memory r = q.requests[controller];
        if (r.batch == 0 || (r.batch != q.open && !late)) revert NotCancellable(r.batch);
        delete q.requests[controller];
        q.batches[r.batch].requested -= r.amount;
        q.pending -= r.amount;
        return r.amount;
    }

    /// @param next Id of the batch that collects from now on.
    function close(Queue storage q, uint32 next) internal returns (bool closed) {
        Batch storage b = q.batches[q.open];
        if (b.requested == 0) return false;
        b.closedAt = uint64(block.timestamp);
        b.next = next;
        q.open = next;
        return true;
    }

    function oldest(Queue storage q) internal view returns (Batch memory) {
        if (q.head == q.open) revert NothingClosed();
        return q.batches[q.head];
    }

    /// @param rest Id of the batch that waits on with what is not filled. It stays first in the line, and is priced
    /// anew by rounds after now, as if it had been closed now.
    function fill(Queue storage q, uint256 filled, uint256 result, uint32 rest) public {
        Batch storage b = q.batches[q.head];
        (b.filled, b.result, b.settled) = (uint128(filled), uint128(result), true);
        q.pending -= uint128(filled);
        uint128 left = b.requested - uint128(filled);
        if (left != 0) {
            Batch storage waiting = q.batches[rest];
            (waiting.requested, waiting.closedAt, waiting.next) = (left, uint64(block.timestamp), b.next);
            b.next = rest;
        }
        q.head = b.next;
    }

    /// @notice Moves what has been settled of a controller's request to what it may claim.
    function roll(Queue storage q, address controller) public {
        (Request memory r, Claim memory c) = rolled(q, controller);
        if (r.batch == q.requests[controller].batch) return;
        q.requests[controller] = r;
        q.claims[controller] = c;
    }

    function rolled(Queue storage q, address controller) public view returns (Request memory r, Claim memory c) {
        r = q.requests[controller];
        c = q.claims[controller];
        while (r.batch != 0 && q.batches[r.batch].settled) {
            Batch memory b = q.batches[r.batch];
            // Rounded down both ways: the parts never add up to more than the batch.
            uint256 left = uint256(r.amount).mulDiv(b.requested - b.filled, b.requested);
            c.input += uint128(r.amount - left);
            c.output += uint128(uint256(r.amount).mulDiv(b.result, b.requested));
            r.amount = uint128(left);
            r.batch = left == 0 ? 0 : b.next;
        }
    }

    /// @notice Claims by what was given in.
    function claimInput(Queue storage q, address controller, uint256 input) public returns (uint256 output) {
        roll(q, controller);
        Claim storage c = q.claims[controller];
        if (input > c.input) revert ClaimExceeded(input, c.input);
        output = input == 0 ? 0 : uint256(c.output).mulDiv(input, c.input);
        c.input -= uint128(input);
        c.output -= uint128(output);
    }

    /// @notice Claims by what comes out.
    function claimOutput(Queue storage q, address controller, uint256 output) public returns (uint256 input) {
        roll(q, controller);
        Claim storage c = q.claims[controller];
        if (output > c.output) revert ClaimExceeded(output, c.output);
        input = output == 0 ? 0 : uint256(c.input).mulDiv(output, c.output, Math.Rounding.Ceil);
        c.input -= uint128(input);
        c.output -= uint128(output);
    }
}
