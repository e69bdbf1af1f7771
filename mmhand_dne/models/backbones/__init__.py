from .hamer_vit import HaMeRViT
from .mediapipe_hand_net import MediaPipeHandNet

__all__ = ['HaMeRViT', 'MediaPipeHandNet']
