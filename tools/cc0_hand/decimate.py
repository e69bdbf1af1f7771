"""Edge collapse to an exact number of vertices and boundary edges."""

import heapq

import numpy as np

from .topology import edge_tables

MAX_VALENCE = 8
MIN_COSINE = 0.5  # between a face's normals before and after a collapse
MIN_QUALITY = 0.22  # twice the area over the longest edge squared


class Decimator:
    """Collapses the cheapest edge: quadric error and length against a target length.

    Args:
        vertices: (N, 3); faces: (T, 3) of a disc.
        size: (N,) wanted edge length at each vertex, metres.
        locked: vertices that must stay where they are.
    """

    def __init__(self, vertices, faces, size, locked):
        self.vertices = vertices.copy()
        self.size = size.copy()
        self.faces = [[int(v) for v in face] for face in faces]
        self.alive = [True] * len(self.faces)
        self.locked = set(locked)
        self.around = [set() for _ in vertices]  # faces at each vertex
        self.quadrics = np.zeros((len(vertices), 4, 4))
        for index, face in enumerate(self.faces):
            self._add_face(index, face)
        loop = edge_tables(faces)[1]
        self.boundary = {v for edge in loop.items() for v in edge}
        self.num_vertices, self.num_boundary = len(vertices), len(self.boundary)
        self.stamps = [0] * len(vertices)  # tells outdated entries of the heap

    def _add_face(self, index, face):
        a, b, c = self.vertices[face]
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal)
        plane = np.r_[normal / length, -(normal / length) @ a]
        for v in face:
            self.around[v].add(index)
            self.quadrics[v] += np.outer(plane, plane) * length / 6

    def run(self, num_vertices, num_boundary):
        """Boundary first, then the inside; returns vertices, faces and old indices."""
        self._collapse(lambda: self.num_boundary <= num_boundary, True)
        self._collapse(lambda: self.num_vertices <= num_vertices, False)
        found = (self.num_vertices, self.num_boundary)
        if found != (num_vertices, num_boundary):
            raise ValueError(
                f'the mesh stopped at {found} vertices and boundary edges, expected '
                f'{(num_vertices, num_boundary)}; relax the shape limits'
            )
        kept = [v for v, faces in enumerate(self.around) if faces]
        renumber = {v: i for i, v in enumerate(kept)}
        faces = [
            [renumber[v] for v in face]
            for face, alive in zip(self.faces, self.alive)
            if alive
        ]
        return self.vertices[kept], np.array(faces), np.array(kept)

    def _neighbours(self, v):
        return {u for i in self.around[v] for u in self.faces[i] if u != v}

    def _collapse(self, done, boundary):
        heap = []

        def push(a, b):
            if (len(self.around[a] & self.around[b]) == 1) == boundary:
                priced = self._price(a, b)
                if priced is not None:
                    entry = (priced[0], a, b, self.stamps[a], self.stamps[b])
                    heapq.heappush(heap, entry)

        edges = {
            (min(v, u), max(v, u))
            for v in range(len(self.around))
            if self.around[v]
            for u in self._neighbours(v)
        }
        for edge in sorted(edges):
            push(*edge)
        while heap and not done():
            _, a, b, stamp_a, stamp_b = heapq.heappop(heap)
            if self.stamps[a] != stamp_a or self.stamps[b] != stamp_b:
                continue
            priced = self._price(a, b)
            if priced is None or not self._valid(a, b, priced[1]):
                continue
            kept = self._merge(a, b, priced[1])
            if boundary:
                self.num_boundary -= 1
            for v in sorted(self._neighbours(kept)):
                push(min(v, kept), max(v, kept))

    def _price(self, a, b):
        """Cost and position of the merged vertex; None where the edge must stay."""
        on_rim = a in self.boundary, b in self.boundary
        both_locked = a in self.locked and b in self.locked
        # An inner edge between two boundary vertices would pinch the disc.
        if both_locked or (all(on_rim) and len(self.around[a] & self.around[b]) != 1):
            return None
        quadric = self.quadrics[a] + self.quadrics[b]
        positions = self._candidates(a, b, quadric, on_rim)
        length = np.linalg.norm(self.vertices[a] - self.vertices[b])
        wanted = (self.size[a] + self.size[b]) / 2
        errors = [
            max(np.r_[x, 1] @ quadric @ np.r_[x, 1], 0)
            / (np.trace(quadric[:3, :3]) + 1e-18)
            for x in positions
        ]
        best = int(np.argmin(errors))
        cost = np.sqrt(errors[best]) / wanted + (length / wanted) ** 2
        return cost, positions[best]

    def _candidates(self, a, b, quadric, on_rim):
        if a in self.locked or (on_rim[0] and not on_rim[1]):
            return [self.vertices[a]]
        if b in self.locked or (on_rim[1] and not on_rim[0]):
            return [self.vertices[b]]
        middle = (self.vertices[a] + self.vertices[b]) / 2
        if all(on_rim):
            return [middle]
        matrix, vector = quadric[:3, :3], quadric[:3, 3]
        damped = matrix + np.eye(3) * 1e-3 * np.trace(matrix)
        best = middle + np.linalg.solve(damped, -(matrix @ middle + vector))
        length = np.linalg.norm(self.vertices[a] - self.vertices[b])
        near = [best] if np.linalg.norm(best - middle) < 0.6 * length + 1e-9 else []
        return [middle, *near, self.vertices[a], self.vertices[b]]

    def _valid(self, a, b, position):
        """Whether the merge keeps a disc of well-shaped faces."""
        near_a, near_b = self._neighbours(a), self._neighbours(b)
        shared, edge_faces = near_a & near_b, self.around[a] & self.around[b]
        if len(shared) != len(edge_faces):
            return False
        if {a, b} <= self.boundary and len(edge_faces) != 1:
            return False
        if len((near_a | near_b) - {a, b}) > MAX_VALENCE:
            return False
        if any(
            len(self._neighbours(v)) - 1 < (3 if v in self.boundary else 4)
            for v in shared
        ):
            return False
        return all(
            self._face_survives(i, (a, b), position)
            for v in (a, b)
            for i in self.around[v] - edge_faces
        )

    def _face_survives(self, index, merged, position):
        face = self.faces[index]
        old = [self.vertices[v] for v in face]
        new = [position if v in merged else self.vertices[v] for v in face]
        normal_old, normal_new = _normal(old), _normal(new)
        size_old, size_new = np.linalg.norm(normal_old), np.linalg.norm(normal_new)
        limit = MIN_COSINE * size_old * size_new
        if size_new < 1e-12 or normal_old @ normal_new < limit:
            return False
        quality_old, quality_new = _quality(size_old, old), _quality(size_new, new)
        return not (quality_new < MIN_QUALITY and quality_new < quality_old)

    def _merge(self, a, b, position):
        keep_b = b in self.locked or (b in self.boundary and a not in self.boundary)
        kept, gone = (b, a) if keep_b else (a, b)
        for i in self.around[a] & self.around[b]:
            self.alive[i] = False
            for v in self.faces[i]:
                self.around[v].discard(i)
        for i in self.around[gone]:
            self.faces[i] = [kept if v == gone else v for v in self.faces[i]]
            self.around[kept].add(i)
        self.around[gone] = set()
        self.vertices[kept] = position
        self.quadrics[kept] += self.quadrics[gone]
        self.size[kept] = (self.size[a] + self.size[b]) / 2
        self.boundary.discard(gone)
        self.num_vertices -= 1
        self.stamps[kept] += 1
        self.stamps[gone] += 1
        return kept


def _normal(corners):
    return np.cross(corners[1] - corners[0], corners[2] - corners[0])


def _quality(double_area, corners):
    longest = max(((corners[k] - corners[k - 1]) ** 2).sum() for k in range(3))
    return double_area / longest
