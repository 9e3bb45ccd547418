// The CPU loops and the registration of every row op.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(hypgeo, m) {
  m.def("dist_ball(Tensor x, Tensor y, Tensor c) -> Tensor");
}
