from .hand_finder import HandFinder
from .hand_landmarker import HandLandmarker
from .palm_detector import PalmDetector
from .palm_net import PalmNet

__all__ = ['HandFinder', 'HandLandmarker', 'PalmDetector', 'PalmNet']
