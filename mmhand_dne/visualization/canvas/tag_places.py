"""Where labels stand: near what they name, off each other and off what must be seen."""

import numpy as np
import scipy

DIRECTIONS = 24  # around the spot that is wanted
STEP = 0.5  # of a tag's radius, between the circles of spots that are tried
FARTHEST = 14.0  # of a tag's radius
FEW_PAIRS = 150_000  # of spots and points, that are looked at without a tree
FEW = 193  # spots that are tried first: the wanted one and eight circles
# What a spot costs, in radii of the way from the one that is wanted
ON_A_TAG = 1e6
ON_A_TIP = 1e3  # for each point
TOUCHES_A_HAND = 4.0
ON_A_HAND = 4.0  # more, for the spot that covers the most of one


def place_tags(
    wanted: np.ndarray,
    reach: float,
    size: tuple[int, int],
    clear: np.ndarray | None = None,
    hands: np.ndarray | None = None,
    apart: float = 0.0,
) -> np.ndarray:
    """Centres (N, 2) of discs inside a picture, one after the other the cheapest spot.

    Off the discs before it, off the points to be kept clear, and near the spot that is
    wanted; where a picture has no such spot, over as few points as possible.

    Args:
        wanted: (N, 2) pixels, finite.
        reach: radius of a disc, pixels.
        size: (h, w) of the picture.
        clear: (M, 2) pixels that no disc should cover, such as fingertips.
        hands: (K, 2) pixels that are better left free: points all over the hands.
        apart: pixels between two discs, and to the picture's border.
    """
    clear, hands = (
        np.zeros((0, 2)) if points is None else _finite(points)
        for points in (clear, hands)
    )
    placed: list[np.ndarray] = []
    for spot in np.asarray(wanted, np.float64).reshape(-1, 2):
        tried = _spots(spot, reach, size, apart)
        way = np.linalg.norm(tried - spot, axis=-1) / reach
        others = np.array(placed).reshape(-1, 2)
        tags = ON_A_TAG * (_count_within(tried, others, 2 * reach + apart) > 0)
        best = _nearest_free(tried, way + tags, np.concatenate([clear, hands]), reach)
        if best is None:
            cost = way + ON_A_TIP * _count_within(tried, clear, reach)
            covered = _count_within(tried, hands, reach)
            cost += TOUCHES_A_HAND * (covered > 0)
            cost += ON_A_HAND * covered / max(1, covered.max(initial=0))
            best = (cost + tags).argmin()
        placed.append(tried[best])
    return np.array(placed).reshape(-1, 2)


def _finite(points: np.ndarray) -> np.ndarray:
    known = np.isfinite(points)
    return points if known.all() else points[known.all(axis=-1)]


def _nearest_free(
    tried: np.ndarray, cost: np.ndarray, points: np.ndarray, reach: float
) -> int | None:
    """The cheapest spot, if a few cheap ones tell: it covers none of the points (N, 2)
    and costs less than a spot does that covers one.
    """
    few = cost.argsort(kind='stable')[: FEW + 1]
    few, next_cost = few[:-1], cost[few[-1]]
    most = min(next_cost, cost[few[0]] + TOUCHES_A_HAND)
    x, y = points = np.asarray(points.T, np.float32, 'C')
    tried = tried.astype(np.float32)
    # The cheapest by itself, then some at a time.
    for some in np.split(few, [1, *range(DIRECTIONS, FEW, DIRECTIONS)]):
        low, high = tried[some].min(axis=0) - reach, tried[some].max(axis=0) + reach
        near = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
        free = some[_count_within(tried[some], points[:, near].T, reach) == 0]
        if len(free):
            return int(free[0]) if cost[free[0]] < most else None
    return None


def _spots(
    spot: np.ndarray, reach: float, size: tuple[int, int], edge: float
) -> np.ndarray:
    """The spot itself, circles around it, all moved into the picture, (S, 2)."""
    low = reach + edge
    high = np.maximum(np.array(size[::-1]) - 1 - low, low)
    return (spot + reach * CIRCLES).clip(low, high)


def _circles() -> np.ndarray:
    """Nothing and circles around it, (S, 2), in radii of a tag."""
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    around = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    circles = np.arange(STEP, FARTHEST, STEP)[:, None, None] * around
    return np.concatenate([np.zeros((1, 2)), circles.reshape(-1, 2)])


CIRCLES = _circles()


def _count_within(spots: np.ndarray, points: np.ndarray, distance: float) -> np.ndarray:
    """How many points (N, 2) are less than a distance from each spot: (S,)."""
    if len(spots) * len(points) < FEW_PAIRS:
        apart = (spots[:, :1] - points[:, 0]) ** 2
        apart += (spots[:, 1:] - points[:, 1]) ** 2
        return np.count_nonzero(apart < distance**2, axis=1)
    nearer = np.nextafter(distance, 0)  # the tree counts those at the distance too
    tree = scipy.spatial.cKDTree(points)
    return tree.query_ball_point(spots, nearer, return_length=True)
