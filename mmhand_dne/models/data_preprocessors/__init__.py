from .gaussian_noise import BatchGaussianNoise

__all__ = ['BatchGaussianNoise']
