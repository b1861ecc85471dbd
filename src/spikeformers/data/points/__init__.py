"""Points in space: surfaces to sample them from, neighbors, voxels, and the tensors that models take."""
