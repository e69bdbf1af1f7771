"""How good the hands of real photos are, as one table: models in rows, by group.

Groups: rendered people (--rendered: test splits of make_rendered_data.py); FreiHAND's
8 and InterHand2.6M's 4 annotated pictures of MMPose's tests, and photos whose truth is
the landmark network's reading without the tips (--data, or the environment variable
MMHAND_REAL_DATA: folders freihand, interhand2.6m, real_hands); pictures without hands
(--false-hands).

Boxes: 'given' are tight about the true joints, the hand's direction and side are looked
for; 'upright' are the squares of training, side and direction told; 'found' are the
detector's.

Columns: hands that have an estimate, of all; false hands, on how many pictures; side
right; mean 2D distance of the joints in % of the longer side of the true joints' box;
joints and vertices from the wrist, joints after Procrustes, mm; share of joints in
their 90 % ellipsoids; Spearman's correlation of error bars and errors in the image over
joints and over hands; median ms a box, or a picture where hands are found. Rows
'+ landmarks': the regressor's hands after they followed the landmarks (landmark_refit),
from which DNE starts; they and the refined hands are of one run.

Example:
    python tools/analysis_tools/real_hands.py --data data/photos \
        --rendered data/real/rendered --out-dir work_dirs/real_hands --pictures
"""

import argparse
import json
import math
import os
from pathlib import Path

MODES = ('given', 'upright', 'found')  # how boxes come about


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=os.environ.get('MMHAND_REAL_DATA') or None,
        help='folder of freihand, interhand2.6m, real_hands and photos',
    )
    parser.add_argument(
        '--rendered', type=Path, nargs='+', default=[], help='folders of rendered hands'
    )
    parser.add_argument('--false-hands', type=Path, help='folder of hand-free pictures')
    parser.add_argument('--config', help='default: the shipped model')
    parser.add_argument('--checkpoint', help='of --config')
    parser.add_argument('--quick-start', help='checkpoint of the config dne_rendered')
    parser.add_argument('--networks', help='file of palm and landmark network')
    parser.add_argument('--modes', nargs='+', choices=MODES, default=['given', 'found'])
    parser.add_argument('--rendered-count', type=int, default=200, help='0: all')
    parser.add_argument('--photo-count', type=int, default=48, help='a set; 0: all')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/real_hands'))
    parser.add_argument(
        '--pictures', action='store_true', help='sheets of overlays into --out-dir'
    )
    parser.add_argument('--threads', type=int, help='of the CPU; default: all cores')
    args = parser.parse_args(args)
    if not (args.data or args.rendered or args.false_hands):
        parser.error('give --data, --rendered or --false-hands')
    return args


if __name__ == '__main__':
    parse_args()

import mmhand_dne  # noqa: F401  registers the plug-in; MMPose is importable after it

# isort: split
import torch
from real_hand_groups import (
    FREIHAND,
    FREIHAND_TITLE,
    INTERHAND,
    INTERHAND_TITLE,
    PHOTO_SETS,
    PHOTOS,
    PictureGroup,
    freihand_group,
    interhand_group,
    photo_group,
    picture_files,
    rendered_group,
)
from real_hand_predictors import (
    FOUND,
    GIVEN,
    LANDMARKS,
    QUICK_START,
    REFINED,
    REFITTED,
    ConstantPose,
    LandmarkNet,
    MeshModel,
)
from real_hand_scores import NO_HANDS, pooled, score_empty, score_group, table_rows
from real_hand_sheets import photo_sheets, write_sheets

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.crops import MARGIN
from mmhand_dne.apis.inputs.palm_hands import PalmHands
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.models.fitting import LandmarkFit

# Of a landmark, over the box: 0.02 of the network's square, which is twice as large.
SIGMA_2D = 0.04
BOTH = f'{FREIHAND_TITLE} and {INTERHAND_TITLE}'
COLUMNS = ('group', 'boxes', 'predictor', 'hands', 'false', 'side right', '2D mean %')
COLUMNS += ('2D median %', 'MPJPE', 'MPVPE', 'PA-MPJPE', 'in 90 %')
SCORES = slice(5, 12)  # what a metafile tells
COLUMNS += ('rho of joints (n)', 'rho of hands (n)', 'ms')


def read_groups(args: argparse.Namespace, hands: PalmHands) -> list[PictureGroup]:
    """The groups whose folders are there."""
    groups = []
    for folder in args.rendered:
        title = f'rendered, {folder.name}' if len(args.rendered) > 1 else 'rendered'
        groups.append(rendered_group(folder, args.rendered_count, title))
    for name, read in ((FREIHAND, freihand_group), (INTERHAND, interhand_group)):
        if args.data and (args.data / name).is_dir():
            groups.append(read(args.data / name))
    for name, place in PHOTO_SETS.items():
        if args.data and (args.data / place).is_dir():
            groups.append(
                photo_group(name, args.data / place, args.photo_count, hands.landmarker)
            )
    if args.data and not groups:
        raise UserError(
            f'{args.data}: has none of {FREIHAND}, {INTERHAND} and '
            f'{", ".join(PHOTO_SETS.values())}; check --data'
        )
    return groups


def build_predictors(args: argparse.Namespace, hands: PalmHands) -> list:
    """The rows of the table, top to bottom."""
    found = [ConstantPose()]
    if args.quick_start:
        inferencer = HandMeshInferencer('dne_rendered', args.quick_start)
        found.append(MeshModel(inferencer, QUICK_START, '', MARGIN, (GIVEN,)))
    fit = LandmarkFit(dict(type='SingleHand'), sigma_2d=SIGMA_2D)
    found.append(LandmarkNet(hands, fit))
    inferencer = mesh_inferencer(args)
    if getattr(inferencer.model, 'landmark_refit', None) is None:
        return [*found, MeshModel(inferencer)]
    regressor = mesh_inferencer(args)
    regressor.model.landmark_refit = None
    found.append(MeshModel(regressor, row=''))
    return [*found, MeshModel(inferencer, coarse_row=REFITTED)]


def mesh_inferencer(args: argparse.Namespace) -> HandMeshInferencer:
    """The model that is scored."""
    return HandMeshInferencer(
        args.config, args.checkpoint, det_model='palm', det_weights=args.networks
    )


def measure(args: argparse.Namespace) -> list[dict]:
    """All rows; sheets of pictures are written on the way."""
    hands = PalmHands(args.networks)
    predictors = build_predictors(args, hands)
    rows, annotated = [], {mode: [] for mode in args.modes}
    for group in read_groups(args, hands):
        for mode in args.modes:
            scores = score_group(group, predictors, mode)
            named = dict(scores.rows)
            if group.by_landmarks and mode != FOUND:
                named.pop(LANDMARKS)  # the truth itself
            if group.title in (FREIHAND_TITLE, INTERHAND_TITLE):
                annotated[mode].append(named)
            rows += table_rows(group.title, mode, named)
            if args.pictures and mode == args.modes[0]:
                write_sheets(args.out_dir, group, scores)
            print(
                f'{group.title}, boxes {mode}: {len(group.images)} pictures', flush=True
            )
            write_rows(args.out_dir, rows)  # a run that is stopped leaves these
    for mode, parts in annotated.items():
        if len(parts) > 1:
            rows += table_rows(BOTH, mode, pooled(parts), parted=False)
    if args.false_hands:
        found = score_empty(picture_files(args.false_hands), predictors)
        rows += table_rows(NO_HANDS, FOUND, found)
    if args.pictures and args.data and (args.data / PHOTOS).is_dir():
        photo_sheets(args.out_dir, args.data / PHOTOS, predictors[-1])
    return rows


def metafile_results(rows: list[dict]) -> str:
    """The refined hands' rows as a metafile has them, YAML."""
    lines = ['  Results:']
    for row in rows:
        if row['predictor'] != REFINED or not row['of']:
            continue
        named = zip(COLUMNS[SCORES], cells(row)[SCORES])
        lines += [
            '  - Task: 3D Hand Mesh',
            f'    Dataset: "{row["group"]}, boxes {row["boxes"]}"',
            '    Metrics:',
            f'      hands: {row["hands"]} of {row["of"]}',
            *(f'      {name}: {value}' for name, value in named if value != '-'),
        ]
    return '\n'.join(lines) + '\n'


def table(rows: list[dict]) -> str:
    """Markdown."""
    lines = ['| ' + ' | '.join(COLUMNS) + ' |', '|---' * 3 + '|---:' * 12 + '|']
    lines += ['| ' + ' | '.join(cells(row)) + ' |' for row in rows]
    return '\n'.join(lines)


def cells(row: dict) -> list[str]:
    """A row's cells in the order of ``COLUMNS``; '-' for what is not known."""
    false, side = row['false_hands'], row['side_known']
    return [
        row['group'],
        row['boxes'],
        row['predictor'],
        f'{row["hands"]} of {row["of"]}',
        '-' if false is None else f'{false} on {row["pictures"]}',
        f'{row["side_right"]:.0f} of {side}' if side else '-',
        *(number(row[name], 1) for name in ('2D_mean', '2D_median')),
        *(number(row[name], 1) for name in ('MPJPE', 'MPVPE', 'PA-MPJPE')),
        number(row['coverage_90'], 3),
        *(
            f'{number(row[f"spearman_{what}"], 2)} ({row[f"{what}_ranked"]})'
            for what in ('joints', 'hands')
        ),
        number(row['ms'], 0),
    ]


def number(value: float | None, digits: int) -> str:
    """A number, or '-' where there is none."""
    absent = value is None or math.isnan(value)
    return '-' if absent else f'{value:.{digits}f}'


def plain(value: object) -> object:
    """The same without NaN, which is no JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_rows(folder: Path, rows: list[dict]) -> None:
    """The table as markdown, with every hand as JSON, and for a metafile."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / 'real_hands.md', table(rows) + '\n')
    write_whole(folder / 'real_hands.json', json.dumps(plain(rows), indent=1))
    write_whole(folder / 'real_hands.yml', metafile_results(rows))


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    with plain_errors(building=True):
        rows = measure(args)
    write_rows(args.out_dir, rows)
    print(f'\n{table(rows)}\n\nwritten to {args.out_dir}')


if __name__ == '__main__':
    main()
