"""What everything is drawn with: meshes, letters, colours, maps, views, figures.

It knows points, colours and images, but neither data samples nor results.
"""
