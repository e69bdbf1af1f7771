# DNE Tables 2 and 3, 3D noise only, on the free benchmark.
_base_ = ['./full.py']

model = dict(
    refine_head=dict(
        noise_2d=False,
        noise_3d=True,
        camera='keep',
        loss_u=0.0,  # there are no points to teach
        loss_regressed=0.0,
    )
)
