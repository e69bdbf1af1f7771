from .aux_map_head import AuxMapHead
from .dne_head import DNEHead
from .internet_gaussian_head import InternetGaussianHead
from .joint_uncertainty_head import JointUncertaintyHead
from .mano_decoder_head import MANODecoderHead
from .mano_map_head import MANOMapHead
from .mano_token_head import MANOTokenHead
from .regression_gaussian_head import RegressionGaussianHead

__all__ = [
    'AuxMapHead',
    'DNEHead',
    'InternetGaussianHead',
    'JointUncertaintyHead',
    'MANODecoderHead',
    'MANOMapHead',
    'MANOTokenHead',
    'RegressionGaussianHead',
]
