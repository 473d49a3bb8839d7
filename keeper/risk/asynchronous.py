"""Co-moments of returns whose prices are not published at the same time.

A feed that publishes after a move of 2 %, or once a day, shows a common move of two assets hours apart. Products of
returns of the same bar miss it, and correlations look too low (Epps 1979).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def comoments(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sum w r_i r_j`` (n, n) over all pairs of moves whose times overlap (Hayashi and Yoshida 2005), symmetric.

    ``returns`` (T, n) without gaps, ``w`` (T,) their weights. A return of 0 is a price that was not published: a move
    lasts from the one before it. Each move is multiplied with what the other price did from the last publication at or
    before its beginning to the first at or after its end, and weighed where it ends. Where every price moves in every
    bar these are the products of the same bar. The diagonal is ``sum w r_i^2``.
    """
    weighted = (returns * w[:, None]).T
    products = weighted @ returns
    moved = returns != 0.0
    if not moved.all():
        path = np.zeros((len(returns) + 1, returns.shape[1]))
        np.cumsum(returns, axis=0, out=path[1:])
        for column, was_moved in enumerate(np.ascontiguousarray(moved.T)):
            _add_longer_moves(products, weighted, path, column=column, moved=was_moved)
    return np.asarray(0.5 * (products + products.T))


def _add_longer_moves(
    products: NDArray[np.float64],
    weighted: NDArray[np.float64],
    path: NDArray[np.float64],
    *,
    column: int,
    moved: NDArray[np.bool_],
) -> None:
    """Adds what the products of the same bar leave out of one price's moves; ``moved`` (T,) has the bars in which it
    was published.

    ``path`` (T + 1, n) are the log prices before the first bar and after each. A move that took several bars meets what
    the others did since its beginning; the others' moves meet it although it ends later.
    """
    still = np.flatnonzero(~moved)
    if not still.size:
        return
    moves = np.flatnonzero(moved)
    began = np.concatenate(([0], moves[:-1] + 1))
    late = np.flatnonzero(moves > began)
    ends = moves[late]
    products[column] += weighted[column, ends] @ (path[ends] - path[began[late]])
    still = still[: np.searchsorted(still, moves[-1] if moves.size else 0)]
    ends = moves[np.searchsorted(moves, still)]
    products[:, column] += weighted[:, still] @ (path[ends + 1, column] - path[still + 1, column])
