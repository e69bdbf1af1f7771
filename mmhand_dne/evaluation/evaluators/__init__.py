from .hand_sets_evaluator import HandSetsEvaluator

__all__ = ['HandSetsEvaluator']
