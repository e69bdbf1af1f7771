from .load_hand_image import LoadHandImage
from .mesh_affine import MeshCrop
from .pack_hand_inputs import PackHandInputs
from .random_mesh_flip import RandomMeshFlip

__all__ = ['LoadHandImage', 'MeshCrop', 'PackHandInputs', 'RandomMeshFlip']
