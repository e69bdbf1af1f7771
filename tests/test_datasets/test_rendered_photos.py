"""What photos have and a studio has not: gestures, grasps, arms, surroundings."""

import json

import numpy as np
import pytest
import torch
import trimesh

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, SIDES, reorder
from mmhand_dne.datasets.synthetic import (
    HandModels,
    Recipe,
    annotation_file,
    merge_annotations,
    plan_frames,
    write_frame,
)
from mmhand_dne.datasets.synthetic.camera_rig import make_rig
from mmhand_dne.datasets.synthetic.gestures import (
    CHAINS,
    joints_of_poses,
    sample_gesture,
    sample_pinch,
    self_overlap,
)
from mmhand_dne.datasets.synthetic.grasps import FLESH, sample_grasp
from mmhand_dne.datasets.synthetic.hand_body import build_body, sample_light
from mmhand_dne.datasets.synthetic.photo_look import expose_photo
from mmhand_dne.datasets.synthetic.scene import (
    sample_moment,
    sample_scene,
    sample_shape,
)
from mmhand_dne.datasets.synthetic.surroundings import make_scenery
from mmhand_dne.datasets.synthetic.things import Solid
from mmhand_dne.errors import UserError

PHOTOS = dict(
    image_size=(96, 96),
    moments=2,
    max_turn=180.0,
    camera_spread=80.0,
    hand_share=(0.35, 0.5),
    breadth=(-1.0, 5.0),
    gesture_share=1.0,
    arm_share=1.0,
    held_share=0.5,
    clasped_share=0.5,
    natural_share=1.0,
)

# The first moment of seed 5: four numbers of the pose, one of the shape, translation.
EARLIER = {
    'right': [
        *(-1.460904, -0.834072, 0.878845, -0.05937, -0.590118),
        *(-0.03047, 0.004486, 1.002306),
    ],
    'left': [
        *(-1.989898, 1.098872, -0.446547, -0.046143, -0.590118),
        *(0.050728, -0.070421, 0.958782),
    ],
}


@pytest.fixture(scope='module')
def models():
    return HandModels()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def body_of(recipe, models, capture):
    place = ('train', capture, 0)
    hands, things = sample_scene(recipe, models, *place)
    light = sample_light(recipe.generator('light', *place))
    return build_body(recipe, models, hands, light, *place, things)


def test_settings_of_photos_left_alone_change_no_hand_of_an_earlier_version(models):
    """Numbers that the version before these settings wrote."""
    hands = sample_moment(Recipe(seed=5), models, 'train', 0, 0)
    assert [hand.side for hand in hands] == list(EARLIER)
    for hand in hands:
        found = [*hand.pose[:4], hand.shape[0], *hand.translation]
        np.testing.assert_allclose(found, EARLIER[hand.side], atol=2e-6)


@pytest.mark.parametrize(
    'solid, volume',
    [
        (Solid('box', np.array([0.02, 0.03, 0.005])), 8 * 0.02 * 0.03 * 0.005),
        (Solid('rod', np.array([0.01, 0.01, 0.1])), np.pi * 0.01**2 * 0.2),
        (Solid('ball', np.full(3, 0.03)), 4 / 3 * np.pi * 0.03**3),
    ],
    ids=['box', 'rod', 'ball'],
)
def test_a_thing_has_its_volume_and_its_distance_is_zero_on_its_surface(solid, volume):
    points, faces, texture = solid.mesh()
    assert texture.min() >= 0 and texture.max() <= 1 and len(texture) == len(points)
    mesh = trimesh.Trimesh(points, faces, process=False)
    assert 0.9 * volume < mesh.volume < 1.01 * volume  # inscribed, wound outward
    points = torch.from_numpy(points)
    assert solid.distance(points).abs().max() < 1e-9
    assert (solid.distance(0.9 * points) < 0).all()
    assert (solid.distance(1.1 * points) > 0).all()


@pytest.mark.parametrize('side', SIDES)
def test_a_hand_closes_about_a_thing_until_it_touches_it(models, side):
    recipe, touching = Recipe(interacting_share=0), 0
    hands = []
    for capture in range(16):
        hands += sample_moment(recipe, models, 'train', capture, 0)
    hands = [hand for hand in hands if hand.side == side]
    assert len(hands) > 3
    for number, hand in enumerate(hands):
        held, thing = sample_grasp(np.random.default_rng(number), models, hand)
        assert held.side == side and np.allclose(held.pose[:3], hand.pose[:3])
        mesh = trimesh.Trimesh(thing.vertices.numpy(), thing.faces.numpy())
        assert mesh.volume > 0  # a mirrored mesh would be inside out
        apart = torch.cdist(held.vertices, thing.vertices.float()).min()
        touching += float(apart) < 2 * FLESH
    assert touching > 0.7 * len(hands)


def test_gestures_bend_naturally_and_reach_from_fist_to_open_hand(models, rng):
    poses = np.stack([sample_gesture(rng, models) for _ in range(40)])
    joints = joints_of_poses(models, poses)
    assert self_overlap(joints).median() < 0.002
    tips = joints[:, [CHAINS[name][-1] for name in CHAINS if name != 'thumb']]
    reach = (tips - joints[:, :1]).norm(dim=2)
    assert reach.amax(1).min() < 0.09  # a fist, metres from the wrist
    assert reach.amin(1).max() > 0.13  # an open hand
    assert (reach.amax(1) - reach.amin(1)).max() > 0.08  # single fingers
    turns = np.linalg.norm(poses.reshape(40, 15, 3), axis=2)[:, :12]
    assert np.degrees(turns).max() < 115


def test_a_pinch_brings_the_thumb_to_a_finger(models, rng):
    poses = np.stack([sample_pinch(rng, models) for _ in range(10)])
    joints = joints_of_poses(models, poses)
    tips = joints[:, [CHAINS[name][-1] for name in CHAINS if name != 'thumb']]
    apart = (tips - joints[:, [CHAINS['thumb'][-1]]]).norm(dim=2).amin(1)
    assert apart.median() < 0.02


def test_clasped_hands_touch_and_their_middles_are_close(models):
    near = Recipe(interacting_share=1)
    clasped = Recipe(interacting_share=1, clasped_share=1)
    middles = []
    for recipe in (near, clasped):
        apart = []
        for capture in range(5):
            right, left = sample_moment(recipe, models, 'train', capture, 0)
            assert (right.side, left.side) == SIDES
            middle = right.vertices.mean(0) - left.vertices.mean(0)
            apart.append(float(middle.norm()))
            if recipe is clasped:
                assert torch.cdist(right.vertices, left.vertices).min() < 0.02
        middles.append(np.median(apart))
    assert middles[1] < 0.7 * middles[0]


def test_long_arms_close_the_hand_and_reach_far(models):
    recipe = Recipe(arm_share=1, interacting_share=0)
    for capture in range(6):
        body = body_of(recipe, models, capture)
        mesh = trimesh.Trimesh(body.vertices.numpy(), body.faces.numpy(), process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 3e-4
        assert torch.cdist(body.vertices[:1], body.vertices).max() > 0.2
        assert 0 <= body.light.min() and body.light.max() <= 1 + 1e-5
        assert body.colors.min() >= 0 and body.colors.max() <= 1


def test_a_held_thing_is_part_of_the_body(models):
    recipe = Recipe(held_share=1, interacting_share=0)
    hands, things = sample_scene(recipe, models, 'train', 0, 0)
    bare = Recipe(interacting_share=0)
    more = len(body_of(recipe, models, 0).faces) - len(body_of(bare, models, 0).faces)
    assert len(things) == 1 and more == len(things[0].faces)


def test_truncated_cameras_cut_off_part_of_the_hands(models):
    shares = []
    for truncated in (0.0, 1.0):
        recipe = Recipe(
            image_size=(256, 256), truncated_share=truncated, interacting_share=0
        )
        inside = []
        for capture in range(12):
            (hand,) = sample_moment(recipe, models, 'train', capture, 0)
            for camera in make_rig(recipe, 'train', capture):
                points = camera.to_camera(models.joints(hand).numpy() * 1000.0)
                pixels = camera.to_pixels(points)
                inside.append(((pixels >= 0) & (pixels <= 255)).all(1).mean())
        shares.append(np.array(inside))
    assert shares[0].mean() > 0.97
    assert (shares[1] < 1).mean() > 0.5 and (shares[1] > 0).mean() > 0.9


def test_breadth_widens_hands_and_spread_varies_them():
    plain = np.stack([sample_shape(Recipe(), 'train', k) for k in range(50)])
    broad = Recipe(breadth=(4, 4))
    broad = np.stack([sample_shape(broad, 'train', k) for k in range(50)])
    np.testing.assert_allclose(broad[:, 1], plain[:, 1] + 4)
    np.testing.assert_allclose(broad[:, 2:], plain[:, 2:])
    spread = sample_shape(Recipe(shape_spread=1.5), 'train', 0)
    np.testing.assert_allclose(spread, 1.5 * plain[0])


def test_surroundings_are_pictures_and_differ(rng):
    images = [make_scenery(rng, (96, 64), np.full(3, 0.5)) for _ in range(30)]
    for image in images:
        assert image.shape == (64, 96, 3)
        assert 0 <= image.min() and image.max() <= 1 and np.isfinite(image).all()
    means = np.stack([image.mean((0, 1)) for image in images])
    assert means.std(0).min() > 0.08
    shot = expose_photo(rng, images[0].astype(np.float32), grey=True)
    assert shot.dtype == np.uint8 and (shot[..., 0] == shot[..., 2]).mean() > 0.99


@pytest.fixture(scope='module')
def photos(models, tmp_path_factory):
    """Eight images with every setting on, and their recipe."""
    recipe = Recipe(**PHOTOS)
    root = tmp_path_factory.mktemp('photos')
    frames = plan_frames(recipe, 'train', 8)
    for frame in frames:
        write_frame(root, recipe, models, frame)
    merge_annotations(root, recipe, frames)
    return recipe, root, frames


def test_annotations_of_photos_are_the_meshes_that_are_drawn(photos, models):
    _, root, _ = photos
    manos, joints = (
        json.loads(annotation_file(root, 'train', kind).read_text())
        for kind in ('MANO_NeuralAnnot', 'joint_3d')
    )
    order, count = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS), 0
    for capture, moments in manos.items():
        for number, mano in moments.items():
            wanted = np.array(joints[capture][number]['world_coord'])
            for slot, side in enumerate(SIDES):
                if mano[side] is None:
                    continue
                pose, shape, shift = (
                    np.array(mano[side][key]) for key in ('pose', 'shape', 'trans')
                )
                found = models.joints(models.make(side, pose, shape, shift))[order]
                rows = wanted[21 * slot : 21 * slot + 21]
                np.testing.assert_allclose(found.numpy() * 1000, rows, atol=0.01)
                count += 1
    assert count >= 4


def test_the_same_recipe_gives_the_same_photos(photos, models, tmp_path):
    recipe, root, frames = photos
    write_frame(tmp_path, recipe, models, frames[-1])
    images = list(tmp_path.rglob('*.jpg'))
    assert len(images) == frames[-1].views
    for path in images:
        assert path.read_bytes() == (root / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize(
    'setting',
    [
        dict(hand_share=(0.6, 0.3)),
        dict(breadth=(0.0, 20.0)),
        dict(shape_spread=-1.0),
        dict(held_share=1.5),
    ],
)
def test_impossible_settings_of_photos_are_refused_by_name(setting):
    with pytest.raises(UserError, match=next(iter(setting))):
        Recipe(**setting)
