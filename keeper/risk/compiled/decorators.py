"""How the kernels are compiled: into numba's cache, with numpy's arithmetic (1/0 is infinite and raises nothing)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = NDArray[np.float64]

checked = njit(cache=True, error_model="numpy")
"""Arithmetic exactly as written: for what is compared or returned as a check."""

loops = njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
"""Sums may be taken in any order and products fused: the error bound of a sum, n eps, holds for every order. Nothing
is presumed about NaN or infinity."""
