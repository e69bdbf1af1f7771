"""Normals, edges and adjacency on shapes that are known."""

import torch
import trimesh

from mmhand_dne.geometry.mesh import (
    face_normals,
    normalised_adjacency,
    unique_edges,
    vertex_normals,
)


def sphere():
    mesh = trimesh.creation.icosphere(subdivisions=2)
    vertices = torch.tensor(mesh.vertices, dtype=torch.float64)
    return mesh, vertices, torch.tensor(mesh.faces)


def test_normals_of_a_sphere_point_outward():
    mesh, vertices, faces = sphere()
    torch.testing.assert_close(
        face_normals(vertices, faces),
        torch.tensor(mesh.face_normals),
        rtol=0,
        atol=1e-6,
    )
    ours = vertex_normals(vertices, faces)
    assert (ours * vertices).sum(-1).min() > 0.999


def test_edges_equal_trimesh():
    mesh, _, faces = sphere()
    expected = torch.tensor(mesh.edges_unique).sort(1).values
    assert torch.equal(unique_edges(faces), torch.unique(expected, dim=0))


def test_adjacency_averages_a_vertex_and_its_neighbours():
    mesh, vertices, faces = sphere()
    averaged = normalised_adjacency(faces, len(vertices)).double() @ vertices
    for index in (0, 17, 100):
        members = [index, *mesh.vertex_neighbors[index]]
        torch.testing.assert_close(
            averaged[index], vertices[members].mean(0), rtol=0, atol=1e-6
        )
