"""Joint orders as literals: the tables that public code writes by hand."""

import pytest

from mmhand_dne.conventions import (
    HO3D_JOINTS,
    INTERHAND_JOINTS,
    MANO_JOINTS,
    OPENPOSE_JOINTS,
    TIP_VERTICES,
    WRIST,
    reorder,
    tip_vertices,
)

O, I, H, M = OPENPOSE_JOINTS, INTERHAND_JOINTS, HO3D_JOINTS, MANO_JOINTS  # noqa: E741


@pytest.mark.parametrize(
    'src, dst, expected',
    [
        (I, O, '20,3,2,1,0,7,6,5,4,11,10,9,8,15,14,13,12,19,18,17,16'),
        (O, I, '4,3,2,1,8,7,6,5,12,11,10,9,16,15,14,13,20,19,18,17,0'),
        (H, O, '0,13,14,15,16,1,2,3,17,4,5,6,18,10,11,12,19,7,8,9,20'),
        (O, H, '0,5,6,7,9,10,11,17,18,19,13,14,15,1,2,3,4,8,12,16,20'),
        (I, H, '20,7,6,5,11,10,9,19,18,17,15,14,13,3,2,1,0,4,8,12,16'),
        (H, I, '16,15,14,13,17,3,2,1,18,6,5,4,19,12,11,10,20,9,8,7,0'),
        (O, M, '0,5,6,7,9,10,11,17,18,19,13,14,15,1,2,3'),
        (I, M, '20,7,6,5,11,10,9,19,18,17,15,14,13,3,2,1'),
    ],
)
def test_orders_agree_with_the_public_tables(src, dst, expected):
    assert reorder(src, dst) == [int(index) for index in expected.split(',')]


def test_wrist_is_first_in_openpose_and_last_in_interhand():
    assert (WRIST, INTERHAND_JOINTS.index('wrist')) == (0, 20)


@pytest.mark.parametrize(
    'tips, expected',
    [
        ('interhand', (745, 317, 445, 556, 673)),
        ('intaghand', (745, 317, 444, 556, 673)),
        ('freihand', (744, 320, 443, 555, 672)),
        ('ho3d', (744, 333, 444, 555, 672)),
        ('smplx', (744, 320, 443, 554, 671)),
    ],
)
def test_tips_of_each_protocol(tips, expected):
    assert tip_vertices(tips) == expected
    assert len(TIP_VERTICES) == 5


def test_smplx_tips_are_those_of_smplx():
    from smplx.vertex_ids import vertex_ids

    names = ('thumb', 'index', 'middle', 'ring', 'pinky')
    assert tip_vertices('smplx') == tuple(vertex_ids['mano'][name] for name in names)


def test_a_joint_without_source_is_named():
    with pytest.raises(ValueError, match="'thumb4' is not among the 16 source joints"):
        reorder(MANO_JOINTS, OPENPOSE_JOINTS)


def test_unknown_tips_list_the_choices():
    with pytest.raises(ValueError, match="'mano'; choose from .*'interhand'"):
        tip_vertices('mano')
