from .aux_map_head import AuxMapHead
from .dne_head import DNEHead
from .mano_map_head import MANOMapHead

__all__ = ['AuxMapHead', 'DNEHead', 'MANOMapHead']
