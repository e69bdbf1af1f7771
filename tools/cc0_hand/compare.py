"""Whether two CC0 hands are the same."""

import numpy as np

TOLERANCE = 1e-5  # metres, radians, weights: far below anything visible


def differences(found, expected):
    """Largest absolute difference of each array; inf where a shape differs.

    Texture coordinates are compared at the faces' corners: which corners share an entry
    depends on the last digit of a rounding.
    """
    out = {}
    for name in sorted(set(found) | set(expected)):
        if name == 'ft':
            continue
        pair = [_values(arrays, name) for arrays in (found, expected)]
        same = pair[0] is not None and pair[1] is not None
        if not same or pair[0].shape != pair[1].shape:
            out[name] = np.inf
        else:
            a, b = (array.astype(np.float64) for array in pair)
            out[name] = float(np.abs(a - b).max())
    return out


def _values(arrays, name):
    if name == 'vt' and 'vt' in arrays and 'ft' in arrays:
        return arrays['vt'][arrays['ft']]
    return arrays.get(name)
