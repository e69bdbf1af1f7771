# The baseline on the free benchmark with as many crops and steps as stages get.
_base_ = ['./baseline.py']

train_dataloader = dict(batch_size=16)
