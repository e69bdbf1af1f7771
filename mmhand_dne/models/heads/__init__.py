from .aux_map_head import AuxMapHead
from .dne_head import DNEHead
from .hand_mesh_head import HandMeshHead
from .internet_gaussian_head import InternetGaussianHead
from .internet_three_view_head import InternetThreeViewHead
from .joint_uncertainty_head import JointUncertaintyHead
from .mano_decoder_head import MANODecoderHead
from .mano_map_head import MANOMapHead
from .mano_token_head import MANOTokenHead
from .regression_gaussian_head import RegressionGaussianHead
from .ridge_regression_head import RidgeRegressionHead

__all__ = [
    'AuxMapHead',
    'DNEHead',
    'HandMeshHead',
    'InternetGaussianHead',
    'InternetThreeViewHead',
    'JointUncertaintyHead',
    'MANODecoderHead',
    'MANOMapHead',
    'MANOTokenHead',
    'RegressionGaussianHead',
    'RidgeRegressionHead',
]
