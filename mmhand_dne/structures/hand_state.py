"""What modules hand to each other: meshes with cameras, maps, all of a forward."""

from typing import NamedTuple

from torch import Tensor

from mmhand_dne.gaussian.density import CovarianceParams


class HandState(NamedTuple):
    """One estimate of the hands; slot 0 is the right hand, slot 1 the left.

    S is 2, or 1 for models that read one hand per image, mirrored into a right one.

    Attributes:
        vertices: (B, S, V, 3) metres, camera axes, relative to the hand's wrist.
        joints: (B, S, J, 3) metres, like the vertices, OpenPose order.
        root: (B, S, 3) metres, the wrist in the model's own frame (0 for DNE).
        camera: (B, S, 2, 2) rows (scale, shift) for x and y (DNE Eq. 5).
    """

    vertices: Tensor
    joints: Tensor
    root: Tensor
    camera: Tensor


class AuxMaps(NamedTuple):
    """The five auxiliary maps (DNE), at the stride of the features.

    Attributes:
        depth: (B, 1, h, w) metres from the visible hand's own wrist.
        normal: (B, 3, h, w) surface normal, camera axes.
        heatmaps: (B, 42, h, w) right hand's 21 joints, then the left's.
        correspondence: (B, 3, h, w) position on the rest-pose right hand, [0, 1]^3.
        parts: (B, 34, h, w) logits, 16 parts + background, right then left.
    """

    depth: Tensor
    normal: Tensor
    heatmaps: Tensor
    correspondence: Tensor
    parts: Tensor


class CoarseHands(NamedTuple):
    """A regressor's output, before any refinement.

    Attributes:
        state: the coarse meshes and cameras.
        rotations_6d: (B, S, 16, 6) regressed joint rotations, columns first, raw.
        rotations: (B, S, 16, 3, 3) the same as matrices, absolute.
        betas: (B, S, 10) shape.
        presence_logits: (B, S).
        pooled: (B, S, C) features under the head's attention, mean over groups.
        weak_camera: (B, S, 3) HaMeR's s, t_x, t_y, if the head has that camera.
        joints_ndc: (B, S, J, 2) the joints through that camera, crop NDC.
        token: (B, S, d_x) what the head knew of each hand, if it keeps it.
        landmarks_ndc: (B, S, J, 2) what it read beside the mesh, crop NDC, if it reads.
    """

    state: HandState
    rotations_6d: Tensor
    rotations: Tensor
    betas: Tensor
    presence_logits: Tensor
    pooled: Tensor
    weak_camera: Tensor | None = None
    joints_ndc: Tensor | None = None
    token: Tensor | None = None
    landmarks_ndc: Tensor | None = None


class RefinedHands(NamedTuple):
    """One DNE stage's output. R is 1 at inference, where noise is its mean.

    Attributes:
        state: the most confident sample, which goes on to the next stage.
        points_ndc: (B, S, V, 2) u' = u + eps_2d of that sample, crop NDC.
        mean_2d: (B, S, V, 2) mean of the 2D noise, NDC.
        mean_3d: (B, S, V, 3) mean of the 3D noise of that sample, metres.
        features: (B, S, V, C) image-aligned features g of that sample.
        sample_vertices: (B, R, S, V, 3) of every sample.
        sample_cameras: (B, R, S, 2, 2).
        sample_points_ndc: (B, R, S, V, 2).
        regressed_ndc: (B, S, V, 2) u_r; the same for all stages of a forward.
        confidence: (B, R, S) of every sample, by which ``state`` was chosen.
    """

    state: HandState
    points_ndc: Tensor
    mean_2d: Tensor
    mean_3d: Tensor
    features: Tensor
    sample_vertices: Tensor
    sample_cameras: Tensor
    sample_points_ndc: Tensor
    regressed_ndc: Tensor | None
    confidence: Tensor | None = None


class HandOutputs(NamedTuple):
    """Everything a forward yields; None for what the model has no head for.

    Attributes:
        maps: the auxiliary maps.
        coarse: what refining starts from: the regressor's hands, moved towards its
            landmarks if the model has a part for that.
        refined: one for each stage, none of a baseline.
        covariance_params: of the joints' covariance, leading dims (B, S).
        regressed: the regressor's hands where ``coarse`` are not those.
    """

    maps: AuxMaps | None
    coarse: CoarseHands
    refined: list[RefinedHands]
    covariance_params: CovarianceParams | None = None
    regressed: CoarseHands | None = None
