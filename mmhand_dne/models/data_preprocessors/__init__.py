from .cached_features_preprocessor import CachedFeaturesPreprocessor
from .gaussian_noise import BatchGaussianNoise
from .hand_data_preprocessor import HandDataPreprocessor

__all__ = [
    'BatchGaussianNoise',
    'CachedFeaturesPreprocessor',
    'HandDataPreprocessor',
]
