"""Functions of tensors that know a model's formulas and no manifold: one file per model, one kernel per function."""
