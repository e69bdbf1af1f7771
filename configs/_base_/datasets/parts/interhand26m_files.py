# InterHand2.6M v1.0 at 5 fps with NeuralAnnot's MANO, in its official layout:
# data_root/images/{train,val,test}/Capture*/... and data_root/annotations/{...}/.
data_root = 'data/interhand2.6m/'

interhand_train = dict(
    type='InterHandMeshDataset',
    data_root=data_root,
    data_prefix=dict(img='images/train'),
    ann_file='annotations/train/InterHand2.6M_train_data.json',
    camera_file='annotations/train/InterHand2.6M_train_camera.json',
    joint_file='annotations/train/InterHand2.6M_train_joint_3d.json',
    mano_file='annotations/train/InterHand2.6M_train_MANO_NeuralAnnot.json',
)
interhand_val = dict(
    type='InterHandMeshDataset',
    data_root=data_root,
    data_prefix=dict(img='images/val'),
    ann_file='annotations/val/InterHand2.6M_val_data.json',
    camera_file='annotations/val/InterHand2.6M_val_camera.json',
    joint_file='annotations/val/InterHand2.6M_val_joint_3d.json',
    mano_file='annotations/val/InterHand2.6M_val_MANO_NeuralAnnot.json',
    test_mode=True,
)
interhand_test = dict(
    type='InterHandMeshDataset',
    data_root=data_root,
    data_prefix=dict(img='images/test'),
    ann_file='annotations/test/InterHand2.6M_test_data.json',
    camera_file='annotations/test/InterHand2.6M_test_camera.json',
    joint_file='annotations/test/InterHand2.6M_test_joint_3d.json',
    mano_file='annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json',
    test_mode=True,
)
