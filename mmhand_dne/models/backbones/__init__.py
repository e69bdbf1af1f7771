from .hamer_vit import HaMeRViT
from .mediapipe_hand_net import MediaPipeHandNet
from .twin_hand_net import TwinHandNet

__all__ = ['HaMeRViT', 'MediaPipeHandNet', 'TwinHandNet']
