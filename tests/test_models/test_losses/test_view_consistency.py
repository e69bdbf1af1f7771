"""The hand of a crop and of the same crop turned."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mmhand_dne.datasets.transforms import HaMeRCrop
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.geometry.rotation import matrix_from_6d
from mmhand_dne.models.losses import ViewConsistency, view_consistency
from mmhand_dne.models.losses.late_means import reduced_together
from mmhand_dne.models.losses.view_consistency import turned_crops, turns
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.raw_sample import empty_sample
from tests.fake_samples import fake_labels, one_hand_samples
from tests.test_engine.toy_processes import run_forked

SIDE = 64
NAMES = {f'view.loss_{name}' for name in ('theta', 'beta', 'joints', 'joints_2d')}
NO_3D = ('hand_vertices_valid', 'hand_joints_valid', 'mano_valid')
DEGREES = 25.0


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def targets_of(photos, size=SIDE):
    """Ground truth of one slot; of photos nothing is known in space."""
    labels = fake_labels(len(photos), size)
    space = 1 - torch.tensor(photos, dtype=torch.float32)
    masks = {}
    for name in NO_3D:
        value = labels[name].clone()
        masks[name] = value * space.reshape(-1, *[1] * (value.dim() - 1))
    samples = one_hand_samples(len(photos), size, **masks)
    targets = HandTargets.from_samples(samples)
    fields = {n: v[:, :1] for n, v in targets._asdict().items() if n != 'intrinsics'}
    return targets._replace(**fields)


# --- geometry -----------------------------------------------------------------------


def smooth(*shape):
    """A picture of full contrast without edges."""
    noise = np.random.default_rng(1).standard_normal(shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 5)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def cut(angle):
    """A crop of HaMeRCrop with all that moves with its camera."""
    image = smooth(260, 300, 3)
    sample = empty_sample(778)
    generator = np.random.default_rng(2)
    sample['joints_cam'][0] = generator.normal(0, 0.1, (21, 3)) + [0, 0, 1]
    rotations = matrix_from_6d(torch.randn(16, 6, generator=draw(), dtype=float))
    sample['mano_rotations'][0], sample['mano_valid'][0] = rotations.numpy(), True
    sample.update(
        img=image,
        img_path='a.jpg',
        bbox=np.array([[90.0, 70, 170, 150]]),
        box_angle=angle,
        intrinsics=np.array([[500.0, 0, 150], [0, 500, 130], [0, 0, 1]]),
    )
    crop = HaMeRCrop(SIDE, padding=2.0, aspect=None, half_pixel=True)
    return crop(sample)


def as_crops(results):
    return torch.from_numpy(results['img']).permute(2, 0, 1)[None].double()


def inside(shape):
    """Pixels whose content is in the crop however it is turned."""
    height, width = shape
    y, x = (
        np.mgrid[:height, :width] - (np.array([height, width])[:, None, None] - 1) / 2
    )
    return np.hypot(x, y) < min(shape) / 2 - 1.5


@pytest.mark.parametrize('degrees', [DEGREES, -40.0, 90.0])
def test_a_turned_crop_is_the_crop_that_is_cut_so(degrees):
    upright, wanted = as_crops(cut(0.0)), as_crops(cut(degrees))[0].numpy()
    angle = torch.tensor([np.deg2rad(degrees)])
    apart = {
        sign: np.abs(turned_crops(upright, sign * angle)[0].numpy() - wanted)
        for sign in (1, -1)
    }
    place = inside(wanted.shape[1:])
    assert wanted.std() > 8
    assert apart[1][:, place].mean() < 1.5 and apart[1][:, place].max() < 8
    assert apart[-1][:, place].mean() > 20


def test_points_and_rotations_turn_as_the_crops_labels_do():
    upright, wanted = cut(0.0), cut(DEGREES)
    turn = turns(torch.tensor([np.deg2rad(DEGREES)], dtype=float))[0].numpy()
    np.testing.assert_allclose(
        upright['joints_cam'][0] @ turn.T, wanted['joints_cam'][0], atol=1e-12
    )
    np.testing.assert_allclose(
        turn @ upright['mano_rotations'][0, 0], wanted['mano_rotations'][0, 0]
    )
    first, second = (
        pixels_to_ndc(
            torch.from_numpy(
                project_perspective(crop['joints_cam'][0], crop['intrinsics'])
            ),
            SIDE,
        ).numpy()
        for crop in (upright, wanted)
    )
    np.testing.assert_allclose(first @ turn[:2, :2].T, second, atol=1e-5)


def test_a_crop_that_is_not_square_turns_in_pixels():
    image = smooth(60, 90)
    found = turned_crops(
        torch.from_numpy(image)[None, None].double(), torch.tensor([0.4])
    )
    # OpenCV's angle is counter-clockwise, of the content.
    affine = cv2.getRotationMatrix2D((44.5, 29.5), np.rad2deg(0.4), 1.0)
    wanted = cv2.warpAffine(image, affine, (90, 60)).astype(float)
    place = inside(image.shape)
    assert np.abs(found[0, 0].numpy() - wanted)[place].max() < 3
    assert np.abs(image - wanted)[place].mean() > 5


def test_beyond_the_border_it_is_black():
    black = torch.tensor([-2.1, -1.9, -1.7]).reshape(3, 1, 1)
    found = turned_crops(torch.ones(1, 3, 9, 9), torch.tensor([np.pi / 4]), black)
    torch.testing.assert_close(found[0, :, 0, 0], black[:, 0, 0])
    torch.testing.assert_close(found[0, :, 4, 4], torch.ones(3))


def test_turned_crops_have_the_gradient_of_finite_differences():
    images = torch.rand(2, 1, 5, 6, dtype=float, generator=draw(), requires_grad=True)
    angles = torch.tensor([0.3, -1.0], dtype=float)
    assert torch.autograd.gradcheck(lambda x: turned_crops(x, angles, 0.2), images)


# --- hands --------------------------------------------------------------------------


def spots(batch=3):
    """Smooth pictures of two spots near the middle, one in each of two channels."""
    axis = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    places = torch.rand(batch, 2, 2, 1, 1, generator=draw(), dtype=float) * 24 - 12
    squares = (axis[:, None] - places[:, :, 1]).square()
    squares = squares + (axis - places[:, :, 0]).square()
    spot = torch.exp(-squares / 2 / 3.0**2)
    return torch.cat([spot, torch.zeros_like(spot[:, :1])], 1)


def hand_of_spots(crops):
    """A hand that points from one spot to the other: equivariant by construction."""
    axis = (torch.arange(SIDE, dtype=float) - (SIDE - 1) / 2) / (SIDE / 2)
    mass = crops[:, :2].sum((-2, -1))
    x = (crops[:, :2].sum(-2) * axis).sum(-1) / mass
    y = (crops[:, :2].sum(-1) * axis).sum(-1) / mass
    ahead = torch.atan2(y[:, 1] - y[:, 0], x[:, 1] - x[:, 0])
    turn = turns(-ahead)[:, None]  # (B, 1, 3, 3)
    generator = draw(3)
    rest = torch.randn(16, 6, generator=generator, dtype=float)
    rotations = matrix_from_6d(rest).expand(len(crops), 1, 16, 3, 3).clone()
    rotations[:, :, 0] = turn @ rotations[:, :, 0]
    shape = 0.1 * torch.randn(21, 3, generator=generator, dtype=float)
    joints = shape @ turn.transpose(-1, -2)
    scale = torch.full((len(crops), 1, 2), 3.0, dtype=float)
    shift = torch.stack([x[:, :1], y[:, :1]], -1)
    return hands_with(
        rotations, torch.ones(len(crops), 1, 10, dtype=float), joints,
        torch.stack([scale, shift], -1),
    )  # fmt: skip


def hands_with(rotations, betas, joints, camera):
    state = HandState(joints, joints, torch.zeros_like(joints[..., 0, :]), camera)
    return CoarseHands(state, rotations[..., :2].flatten(-2), rotations, betas, None,
                       None)  # fmt: skip


def losses_of(regress, inputs, part=None, photos=None, **options):
    part = part or ViewConsistency(angle=60.0)
    photos = [True] * len(inputs) if photos is None else photos
    torch.manual_seed(0)
    return part(regress(inputs), targets_of(photos), inputs, regress, **options)


def test_a_model_that_turns_with_its_crop_has_no_loss(monkeypatch):
    losses = losses_of(hand_of_spots, spots())
    assert set(losses) == NAMES
    assert losses['view.loss_beta'] == 0
    assert all(value < 2e-3 for value in losses.values())
    right_way = view_consistency.turned_crops
    monkeypatch.setattr(
        view_consistency, 'turned_crops', lambda x, a, o: right_way(x, -a, o)
    )
    wrong = losses_of(hand_of_spots, spots())
    for name in NAMES - {'view.loss_beta'}:
        assert wrong[name] > 50 * losses[name], name


def test_a_model_that_does_not_turn_has_the_distance_by_hand():
    part = ViewConsistency(lambda_theta=1.0, lambda_beta=0.1, loss_weight=0.5)
    part.angles = lambda count, *args: torch.full((count,), np.pi / 2)
    fixed = hand_of_spots(spots(1))

    def regress(crops):
        fields = [fixed.rotations, fixed.betas, fixed.state.joints, fixed.state.camera]
        return hands_with(
            *(field.expand(len(crops), *field.shape[1:]) for field in fields)
        )

    found = losses_of(regress, spots(2), part)
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=float)  # back
    rotation = fixed.rotations[0, 0, 0]
    theta = (turn @ rotation - rotation)[:, :2].abs().sum() / (16 * 6)
    torch.testing.assert_close(found['view.loss_theta'], 0.5 * theta)
    joints = fixed.state.joints[0, 0] - fixed.state.joints[0, 0, :1]
    apart = (joints @ turn.T - joints).abs().mean()
    torch.testing.assert_close(found['view.loss_joints'], 0.5 * 50 * apart)
    points = 3 * fixed.state.joints[0, 0, :, :2] + fixed.state.camera[0, 0, :, 1]
    apart = (points @ turn[:2, :2].T - points).abs().mean()
    torch.testing.assert_close(found['view.loss_joints_2d'], 0.5 * 3 * apart)
    assert found['view.loss_beta'] == 0


def random_hands(batch, seed):
    generator = draw(seed)

    def normal(*shape):
        return torch.randn(batch, 1, *shape, dtype=float, generator=generator)

    return [normal(16, 3, 3), normal(10), normal(21, 3), normal(2, 2)]


@pytest.mark.parametrize('first_is_right', [True, False])
def test_the_gradient_is_that_of_finite_differences_in_one_view_alone(first_is_right):
    part, inputs, keys = ViewConsistency(), spots(2), np.arange(2)
    first, second = random_hands(2, 0), random_hands(2, 1)
    right, free = (first, second) if first_is_right else (second, first)
    # The image shows the joints where the right view has them.
    angles = part.angles(2, 'cpu', keys) * (0 if first_is_right else 1)
    shown = view_consistency._described(hands_with(*right), angles, (SIDE, SIDE))
    seen = targets_of([True, True])._replace(joints_ndc=shown['loss_joints_2d'])

    def loss(*moved):
        pair = (right, moved) if first_is_right else (moved, right)
        hands = [hands_with(*fields) for fields in pair]
        found = part(hands[0], seen, inputs, lambda crops: hands[1], keys)
        return sum(found.values())

    for value in right + free:
        value.requires_grad_(True)
    assert not any(g.any() for g in torch.autograd.grad(loss(*free), right))
    assert all(g.any() for g in torch.autograd.grad(loss(*free), free))
    assert torch.autograd.gradcheck(loss, tuple(free), fast_mode=True)


def test_only_photos_are_turned():
    seen = []

    def regress(crops):
        seen.append(len(crops))
        return hand_of_spots(crops)

    inputs = spots(4)
    losses_of(regress, inputs, photos=[False, True, False, True])
    assert seen == [4, 2]
    losses_of(regress, inputs, ViewConsistency(with_3d=True), [False, True] * 2)
    assert seen[2:] == [4, 4]


def test_a_batch_without_photos_turns_one_crop_and_learns_nothing():
    factor = torch.ones((), dtype=float, requires_grad=True)
    seen = []

    def regress(crops):
        seen.append(len(crops))
        hands = hand_of_spots(crops)
        return hands._replace(betas=factor * hands.betas.cumsum(0))

    losses = losses_of(regress, spots(2), photos=[False, False])
    assert seen == [2, 1] and not any(losses.values())
    assert torch.autograd.grad(sum(losses.values()), factor)[0] == 0


def test_hands_that_are_not_there_are_not_compared():
    part, targets = ViewConsistency(), targets_of([True, True, True])
    assert part.counting(targets).all()
    absent = targets._replace(presence=torch.tensor([[0.0], [1], [1]]))
    unknown = absent._replace(presence_valid=torch.tensor([[1.0], [0], [1]]))
    assert part.counting(unknown)[:, 0].tolist() == [False, False, True]


def test_angles_are_keyed_and_go_as_far_as_asked():
    part = ViewConsistency(angle=40.0)
    keys = np.arange(4000)
    angles = torch.rad2deg(part.angles(4000, 'cpu', keys))
    assert -40 < angles.min() < -39.8 and 39.8 < angles.max() < 40
    assert abs(angles.mean()) < 1.5
    torch.manual_seed(5)  # another process, another batch
    part_of = part.angles(3, 'cpu', keys[[7, 3, 1000]])
    torch.testing.assert_close(torch.rad2deg(part_of), angles[[7, 3, 1000]])
    unkeyed = part.angles(2, 'cpu')
    assert not torch.equal(unkeyed, part.angles(2, 'cpu'))


@pytest.mark.parametrize(
    'wrong',
    [dict(angle=0), dict(angle=200.0), dict(lambda_2d=-1.0), dict(loss_weight=-0.1)],
)
def test_no_angle_and_negative_weights_are_refused(wrong):
    with pytest.raises(UserError, match='ViewConsistency: angle='):
        ViewConsistency(**wrong)


def test_cached_features_are_refused():
    with pytest.raises(UserError, match='turns crops'):
        ViewConsistency()(None, None, torch.zeros(2, 1152), None)


# --- processes ----------------------------------------------------------------------


class Reader(nn.Module):
    """Reads hands that do not turn with the crop."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.read = nn.Linear(3 * 16, 16 * 6 + 10 + 63 + 4).double()
        self.unused = nn.Linear(2, 2)
        self.part = ViewConsistency()

    def hands(self, crops):
        pooled = nn.functional.adaptive_avg_pool2d(crops, 4).flatten(1)
        pose, betas, joints, camera = self.read(pooled)[:, None].split(
            [96, 10, 63, 4], -1
        )
        return hands_with(
            matrix_from_6d(pose.unflatten(-1, (16, 6))),
            betas,
            joints.unflatten(-1, (21, 3)),
            camera.unflatten(-1, (2, 2)),
        )

    @reduced_together
    def forward(self, inputs, targets, keys):
        return self.part(self.hands(inputs), targets, inputs, self.hands, keys)


# The second of two processes has no photo.
PHOTOS = [True, False, False, False]


def gradient(model, rows):
    inputs, keys = 3 * spots(4)[rows], np.arange(4)[rows]
    targets = targets_of(PHOTOS)
    targets = targets._replace(**{n: v[rows] for n, v in targets._asdict().items()})
    losses = model(inputs, targets, keys)
    sum(losses.values()).backward()
    return losses


def train_process(work_dir):
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    model = Reader()
    wrapped = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    gradient(wrapped, slice(2 * rank, 2 * rank + 2))
    torch.save([p.grad for p in model.read.parameters()], work_dir / f'{rank}.pth')


def test_two_processes_learn_what_one_learns(tmp_path):
    alone = Reader()
    losses = gradient(alone, slice(0, 4))
    assert all(value > 0 for value in losses.values())
    assert run_forked(train_process, tmp_path, processes=2) == [0, 0]
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pth')
        for grad, parameter in zip(found, alone.read.parameters()):
            torch.testing.assert_close(grad, parameter.grad)
            assert grad.any()
