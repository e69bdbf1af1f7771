from .hamer_vit import HaMeRViT

__all__ = ['HaMeRViT']
