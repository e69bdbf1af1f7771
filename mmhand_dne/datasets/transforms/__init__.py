from .cheap_camera import CheapCamera
from .hamer_crop import HaMeRCrop
from .light_distortion import LightDistortion
from .load_hand_image import LoadHandImage
from .mesh_crop import MeshCrop
from .one_hand_keypoints import OneHandKeypoints
from .pack_hand_inputs import PackHandInputs
from .random_hand_free_box import RandomHandFreeBox
from .random_mesh_flip import RandomMeshFlip
from .select_hand import SelectHand
from .upright_hand_box import UprightHandBox

__all__ = [
    'CheapCamera',
    'HaMeRCrop',
    'LightDistortion',
    'LoadHandImage',
    'MeshCrop',
    'OneHandKeypoints',
    'PackHandInputs',
    'RandomHandFreeBox',
    'RandomMeshFlip',
    'SelectHand',
    'UprightHandBox',
]
