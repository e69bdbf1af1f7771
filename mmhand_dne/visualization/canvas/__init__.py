"""Drawing on pictures: meshes, letters, colours, figures."""
