from .aux_map_head import AuxMapHead
from .dne_head import DNEHead
from .joint_uncertainty_head import JointUncertaintyHead
from .mano_decoder_head import MANODecoderHead
from .mano_map_head import MANOMapHead

__all__ = ['AuxMapHead', 'DNEHead', 'JointUncertaintyHead', 'MANODecoderHead',
           'MANOMapHead']
