"""Figures of error bars: sparsification, reliability, error against uncertainty.

Drawn without pyplot, so that neither a window system nor another figure matters.
What of matplotlib draws is imported by the first figure, which most programs never
make: the demo starts sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision, and one dash pattern per
# line, told apart without colour. Yellow is left out: too pale on white.
COLORS = (
    '#0072B2',
    '#D55E00',
    '#009E73',
    '#CC79A7',
    '#56B4E9',
    '#E69F00',
    '#000000',
)
DASHES = ('-', '--', '-.', (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1)), '-')
REFERENCE = '#777777'  # of oracle, random and the diagonal
INCHES, DOTS_PER_INCH = (6.4, 4.4), 150


class Curves(Protocol):
    """Sparsification curves, each (N)."""

    percent: np.ndarray
    model: np.ndarray
    oracle: np.ndarray
    random: np.ndarray


def plot_curves(
    path: str | Path,
    runs: Mapping[str, Curves],
    unit: str,
    title: str,
    with_random: bool = False,
) -> None:
    """Write the curves of one or several models as PNG.

    Each model's oracle is dotted in the model's colour, grey for a single model.

    Args:
        path: of the PNG.
        runs: name in the legend -> curves.
        unit: of the errors.
        title: above the axes.
        with_random: draw the first run's shuffled curve.
    """
    figure, axes = _new_figure(title)
    alone = len(runs) == 1
    for i, (name, curves) in enumerate(runs.items()):
        color, dash = COLORS[i % len(COLORS)], DASHES[i % len(DASHES)]
        axes.plot(curves.percent, curves.model, color=color, ls=dash, lw=2, label=name)
        oracle = REFERENCE if alone else color
        axes.plot(curves.percent, curves.oracle, color=oracle, ls=':', lw=1.4)
    # One entry of the legend for all oracles.
    label = 'oracle' if alone else 'oracle of each'
    axes.plot([], [], color=REFERENCE, ls=':', lw=1.4, label=label)
    if with_random:
        first = next(iter(runs.values()))
        axes.plot(first.percent, first.random, color=REFERENCE, lw=1.2, label='random')
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('most certain joints kept [%]')
    axes.set_ylabel(f'mean error of these [{unit}]')
    axes.legend(frameon=False)
    _save(figure, path)


def plot_reliability(
    path: str | Path, levels: np.ndarray, shares: Mapping[str, np.ndarray]
) -> None:
    """Write observed against predicted coverage as PNG.

    Args:
        path: of the PNG.
        levels: (N) predicted probabilities.
        shares: name in the legend -> (N) observed shares.
    """
    figure, axes = _new_figure('Reliability')
    axes.plot([0, 1], [0, 1], color=REFERENCE, ls=':', lw=1.4, label='honest')
    for i, (name, share) in enumerate(shares.items()):
        look = dict(color=COLORS[i], ls=DASHES[i], lw=2, marker='o', ms=4)
        axes.plot(levels, share, label=name, **look)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect('equal')
    axes.set_xlabel('probability inside the ellipsoid')
    axes.set_ylabel('share of true positions inside')
    axes.text(0.03, 0.97, 'too wide', va='top', color=REFERENCE)
    axes.text(0.97, 0.03, 'too narrow', ha='right', color=REFERENCE)
    axes.legend(frameon=False, loc='upper left', bbox_to_anchor=(1.0, 1.0))
    _save(figure, path)


def plot_error_uncertainty(
    path: str | Path,
    counts: np.ndarray,
    edges: Sequence[np.ndarray],
    unit: str,
    correlation: float,
) -> None:
    """Write the histogram of error against predicted deviation as PNG.

    Args:
        path: of the PNG.
        counts: (A, B) joints, by deviation, then by error.
        edges: (A + 1) and (B + 1) of the cells.
        unit: of both axes.
        correlation: Pearson's, of error and variance; in the title.
    """
    from matplotlib.colors import LogNorm

    figure, axes = _new_figure(f'Error and uncertainty (Pearson {correlation:.3f})')
    shown = np.ma.masked_equal(counts.T, 0)
    norm = LogNorm(1, max(counts.max(), 2))
    mesh = axes.pcolormesh(*edges, shown, norm=norm, cmap='viridis')
    figure.colorbar(mesh, ax=axes, label='joints')
    axes.set_xlabel(f'predicted standard deviation [{unit}]')
    axes.set_ylabel(f'error [{unit}]')
    axes.grid(False)
    _save(figure, path)


def _new_figure(title: str) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(INCHES, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.grid(color='#dddddd', lw=0.6)
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: str | Path) -> None:
    figure.savefig(path, dpi=DOTS_PER_INCH)
