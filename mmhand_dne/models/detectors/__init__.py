from .palm_net import PalmNet

__all__ = ['PalmNet']
