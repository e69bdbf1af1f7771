# The poster's row A on FreiHAND: the mean alone.
_base_ = ['../hamer-deterministic_vit-h_1xb64-135e_freihand-256x256.py']
