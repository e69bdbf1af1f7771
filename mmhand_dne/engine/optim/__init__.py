from .adversarial_constructor import AdversarialOptimWrapperConstructor
from .bfloat16_optim_wrapper import BFloat16OptimWrapper

__all__ = ['AdversarialOptimWrapperConstructor', 'BFloat16OptimWrapper']
