// What the torch side of exp_0(m log_0(x)) hands to its kernels: plain pointers, no torch.
#pragma once

#include "../cpu/job.h"

namespace hypgeo {

// The rows x are in[0] and their gradient is grad_in[0], as for every op; k counts the result's coordinates, d those of
// x, both without the hyperboloid's time.
struct Matvec : Job {
  int64_t d = 0;
  const void* m = nullptr;
  int64_t m_batch = 0, m_row = 0, m_col = 0;  // strides; m_batch is 0 where one matrix serves all rows
  // backward: the gradient in m log_0(x), and log_0(x) itself, whose outer product is that in m (null: not asked for)
  double *grad_product = nullptr, *tangent = nullptr;
};

}  // namespace hypgeo
