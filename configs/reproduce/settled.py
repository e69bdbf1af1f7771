# The baseline on the free benchmark once more, at a third of the rate: it goes on from
# the one trained on (load_from) until its error in the picture is flat as well.
_base_ = ['./baseline.py']

optim_wrapper = dict(optimizer=dict(lr=3e-4))
