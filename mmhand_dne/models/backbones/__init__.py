from .cached_features import CachedFeatures
from .frozen_hand_net import FrozenHandNet
from .hamer_vit import HaMeRViT
from .mediapipe_hand_net import MediaPipeHandNet
from .twin_hand_net import TwinHandNet

__all__ = [
    'CachedFeatures',
    'FrozenHandNet',
    'HaMeRViT',
    'MediaPipeHandNet',
    'TwinHandNet',
]
