"""Render a data set with the CC0 hand, in the layout of InterHand2.6M v1.0.

Example:
    python tools/make_rendered_data.py data/rendered --train 2000 --test 400

The same settings and seed give the same bytes, whatever the number of workers.
A run that was stopped continues where it was; a finished one returns at once.
"""

import argparse
import json
import os
import shutil
from functools import cache, partial
from pathlib import Path

from mmhand_dne.errors import UserError
from mmhand_dne.rendered_recipe import RECIPE_FILE, Recipe

SPLITS = ('train', 'val', 'test')
DEFAULTS = Recipe()
# Flag of make_rendered_data: attribute of Recipe, type, help.
RECIPE_FLAGS = (
    ('cameras', int, 'views of each moment'),
    (
        'moments',
        int,
        'moments per capture, which has one person and one camera rig',
    ),
    ('interacting_share', float, 'share with two hands'),
    ('occlusion_share', float, 'share with things in front'),
    (
        'max_turn',
        float,
        'largest rotation of a hand away from fingers up and back to the rig, degrees',
    ),
    ('camera_spread', float, 'largest angle of a camera to the front, degrees'),
    ('shape_spread', float, "factor of the shape coefficients' standard deviation"),
    ('gesture_share', float, 'share with gestures beside draws of pose components'),
    ('arm_share', float, 'share with forearms that leave the picture, sleeves'),
    ('held_share', float, 'share with something in the hand'),
    ('clasped_share', float, 'share of the two hands that cross, overlap or clasp'),
    ('truncated_share', float, 'share of the cameras that cut off part of the hands'),
    ('natural_share', float, "share with a casual photo's surroundings and light"),
    ('blur_share', float, 'share of images out of focus or shaken'),
)
# The same of flags with two numbers.
RANGE_FLAGS = (
    ('hand_share', "a hand's length over the image's short side, lowest and highest"),
    ('breadth', 'standard deviations by which hands are broader than the mean hand'),
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of a recipe, of the splits and of the work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='the folder to fill')
    for split in SPLITS:
        parser.add_argument(
            f'--{split}',
            type=int,
            default=0,
            metavar='N',
            help=f'images of the {split} split (default: 0)',
        )
    parser.add_argument('--seed', type=int, default=DEFAULTS.seed)
    parser.add_argument(
        '--image-size',
        type=int,
        nargs=2,
        default=DEFAULTS.image_size,
        metavar=('WIDTH', 'HEIGHT'),
        help='pixels of a landscape camera (default: 512 334)',
    )
    for name, kind, meaning in RECIPE_FLAGS:
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            type=kind,
            default=getattr(DEFAULTS, name),
            help=f'{meaning} (default: %(default)s)',
        )
    for name, meaning in RANGE_FLAGS:
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            type=float,
            nargs=2,
            metavar=('LOW', 'HIGH'),
            default=getattr(DEFAULTS, name),
            help=f'{meaning} (default: {"{} {}".format(*getattr(DEFAULTS, name))})',
        )
    parser.add_argument(
        '--tagged',
        action='store_true',
        help="write what makes an image hard into its annotation, as 'hard'",
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes (default: all cores)',
    )
    args = parser.parse_args(argv)
    if not any(getattr(args, split) > 0 for split in SPLITS):
        parser.error('give a number of images, such as --train 2000 --test 400')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.datasets.synthetic import (
    HandModels,
    RenderedFrame,
    annotation_file,
    merge_annotations,
    plan_frames,
    write_frame,
    write_legends,
)
from mmhand_dne.datasets.workers import in_workers, use_one_thread
from mmhand_dne.fileio.atomic import PARTIAL, remove_partial_files, write_whole


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The flags' recipe."""
    fields = {name: getattr(args, name) for name in DEFAULTS.as_dict()}
    return Recipe(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
    )


def main(argv: list[str] | None = None) -> None:
    """Render what is not there yet, then write the annotations."""
    args = parse_args(argv)
    counts = {
        split: getattr(args, split) for split in SPLITS if getattr(args, split) > 0
    }
    with plain_errors(building=True):
        recipe = recipe_of(args)
        check_recipe(args.out, dict(images=counts, **recipe.as_dict()))
    plans = {
        split: plan_frames(recipe, split, count) for split, count in counts.items()
    }
    todo = [
        frames
        for split, frames in plans.items()
        if not annotation_file(args.out, split, 'data').exists()
    ]
    missing = [frame for frame in sum(todo, []) if not frame.record(args.out).exists()]
    render(missing, args.out, recipe, args.workers)
    write_legends(args.out, 1 + max(frames[-1].capture for frames in plans.values()))
    for frames in todo:
        merge_annotations(args.out, recipe, frames)
    remove_unfinished(args.out)
    print(
        ', '.join(f'{split} {count}' for split, count in counts.items()),
        f'images in {args.out}',
    )


def remove_unfinished(root: Path) -> None:
    """Delete records that are merged, and halves of images of a killed run."""
    shutil.rmtree(root / '.rendering', ignore_errors=True)
    for folder in {path.parent for path in (root / 'images').rglob(f'.*{PARTIAL}')}:
        remove_partial_files(folder)


def check_recipe(root: Path, settings: dict) -> None:
    """Refuse to mix two recipes in one folder; remember a new one."""
    path = root / RECIPE_FILE
    if path.exists():
        found = json.loads(path.read_bytes())
        for name, value in settings.items():
            # A folder of an older version lacks settings that have come since.
            before = found.get(name, DEFAULTS.as_dict().get(name))
            if before != value:
                raise UserError(
                    f'{root} was begun with {name} {before}, now {value} '
                    'is asked for; give another folder or delete this one'
                )
        return
    if root.exists() and any(root.iterdir()):
        raise UserError(
            f'{root} holds other files and no {RECIPE_FILE}; give an '
            'empty or a new folder'
        )
    write_whole(path, json.dumps(settings, indent=2).encode())


def render(
    frames: list[RenderedFrame], root: Path, recipe: Recipe, workers: int
) -> None:
    """Write all frames, with a progress bar in images."""
    use_one_thread()
    done = in_workers(
        partial(render_one, root, recipe),
        frames,
        workers,
        'rendering images',
        chunk=4,
        weight=lambda frame: frame.views,
    )
    for _ in done:
        pass


@cache
def hand_models() -> HandModels:
    """Both hands, loaded once per process."""
    return HandModels()


def render_one(root: Path, recipe: Recipe, frame: RenderedFrame) -> None:
    """Render one frame, in a worker."""
    write_frame(root, recipe, hand_models(), frame)


if __name__ == '__main__':
    main()
