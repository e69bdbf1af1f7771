"""Joints as people call them."""

from mmhand_dne.conventions import OPENPOSE_JOINTS, WRIST

FINGER_WORDS = dict(
    thumb='the thumb',
    index='the index finger',
    middle='the middle finger',
    ring='the ring finger',
    pinky='the little finger',
)
# From the wrist outwards; the thumb has one joint less between its root and its tip.
PLACES = ('knuckle', 'middle joint', 'end joint', 'tip')
THUMB_PLACES = ('root', 'knuckle', 'end joint', 'tip')


def joint_words(joint: int) -> str:
    """An OpenPose joint in words: 'tip of the little finger', 'wrist'."""
    if joint == WRIST:
        return 'wrist'
    name = OPENPOSE_JOINTS[joint]
    finger, number = name[:-1], int(name[-1])
    places = THUMB_PLACES if finger == 'thumb' else PLACES
    return f'{places[number - 1]} of {FINGER_WORDS[finger]}'
