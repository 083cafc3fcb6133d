"""The highest of the rates on a geometric grid that passes a test."""

from collections.abc import Callable

# The first stride of the search, in steps of the grid.
STRIDE = 4
# Below this many steps under the first rate nothing is looked for: the system does not work.
LOWEST = -80


def highest(passes: Callable[[float], bool], first: float, step: float) -> float:
    """The highest of the rates ``first * step**n`` that passes, where all below it pass; 0 if none does.

    Looks from ``first`` in strides until one rate passes and one fails, then halves what lies between.
    """

    def at(number: int) -> float:
        return float(first * step**number)

    low = high = 0
    if passes(at(0)):
        while passes(at(low + STRIDE)):
            low += STRIDE
        high = low + STRIDE
    else:
        low = high - STRIDE
        while not passes(at(low)):
            low, high = low - STRIDE, low
            if low < LOWEST:
                return 0.0
    while high - low > 1:
        middle = (low + high) // 2
        if passes(at(middle)):
            low = middle
        else:
            high = middle
    return at(low)
