"""Numba settings of the kernels: cached on disk, with numpy's arithmetic (1/0 is infinite and raises nothing)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = NDArray[np.float64]

checked = njit(cache=True, error_model="numpy")
"""IEEE arithmetic exactly as written, for values that are compared or returned as a check."""

loops = njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
"""Lets the compiler reorder sums and fuse products: the error bound n eps of a sum holds for every order. The flags
do not assume that NaN and infinity are absent."""
