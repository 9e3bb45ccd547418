// Tilings as torch sees them on the CPU: rows are float64, contiguous and of equal width; hypgeo/ops/tiling.py checks.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "../isa.h"
#include "job.h"

namespace hypgeo {

namespace base::tiling {
extern const tilings::Kernels kernels[];
}
#if defined(__x86_64__)
namespace avx2::tiling {
extern const tilings::Kernels kernels[];
}
namespace avx512::tiling {
extern const tilings::Kernels kernels[];
}
#endif

namespace tilings {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

const Kernels& kernels(const Job& job) { return HYPGEO_CHOOSE(tiling::kernels)[job.dim == 0]; }

Job job_of(const Tensor& x, const Tensor& y, int64_t dim) {
  const auto rows = [](const Tensor& t) {
    return t.dim() == 2 && t.scalar_type() == ScalarType::Double && t.is_contiguous();
  };
  STD_TORCH_CHECK(rows(x) && rows(y) && x.size(1) == y.size(1) && (dim == 0 ? x.size(1) >= 11 : x.size(1) >= 2 * dim) &&
                      (dim == 0 || dim >= 2),
                  "hypgeo: points of a tiling must be contiguous float64 rows of equal width");
  Job job;
  job.dim = int(dim);
  job.width = x.size(1);
  job.n = x.size(0);
  job.m = y.size(0);
  job.x = x.const_data_ptr<double>();
  job.y = y.const_data_ptr<double>();
  return job;
}

double* writable(const std::optional<Tensor>& t) { return t ? t->mutable_data_ptr<double>() : nullptr; }

void view(Tensor x, Tensor y, int64_t dim, Tensor dist, std::optional<Tensor> nx, std::optional<Tensor> ny,
          std::optional<Tensor> side) {
  Job job = job_of(x, y, dim);
  STD_TORCH_CHECK(job.n == job.m && dist.numel() == job.n, "hypgeo: as many points in x as in y");
  job.dist = dist.mutable_data_ptr<double>();
  job.nx = writable(nx);
  job.ny = writable(ny);
  job.side = writable(side);
  torch::stable::parallel_for(0, job.n, 64, [&](int64_t begin, int64_t end) { kernels(job).view(job, begin, end); });
}

void pairs(Tensor x, Tensor y, int64_t dim, Tensor dist) {
  Job job = job_of(x, y, dim);
  STD_TORCH_CHECK(dist.numel() == job.n * job.m, "hypgeo: a distance for each pair");
  job.dist = dist.mutable_data_ptr<double>();
  const int64_t grain = std::max<int64_t>(1, 64 / std::max<int64_t>(1, job.m));
  torch::stable::parallel_for(0, job.n, grain, [&](int64_t begin, int64_t end) { kernels(job).pairs(job, begin, end); });
}

void pull(Tensor x, Tensor y, int64_t dim, Tensor grad, std::optional<Tensor> nx, std::optional<Tensor> ny) {
  Job job = job_of(x, y, dim);
  STD_TORCH_CHECK(grad.numel() == job.n * job.m && grad.is_contiguous(), "hypgeo: a gradient for each pair");
  job.grad = grad.const_data_ptr<double>();
  job.nx = writable(nx);
  job.ny = writable(ny);
  const auto each = [&](int64_t rows, Kernel kernel) {
    torch::stable::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  };
  if (nx) each(job.n, kernels(job).pull_x);
  if (ny) each(job.m, kernels(job).pull_y);
}

// needed (n,) int64: limbs of each row, negative where the row was left undone.
Tensor step(Tensor x, std::optional<Tensor> u, int64_t dim, bool single, Tensor needed) {
  Job job = job_of(x, u ? *u : x, dim);
  STD_TORCH_CHECK(job.n == job.m && needed.numel() == job.n, "hypgeo: as many tangent vectors as points");
  job.u = u ? job.y : nullptr;
  job.single = single;
  job.needed = needed.mutable_data_ptr<int64_t>();
  std::fill(job.needed, job.needed + job.n, 0);
  const int64_t head = dim == 0 ? 2 : dim + 1, integers = dim == 0 ? 9 : dim - 1;
  int64_t limbs = (job.width - head) / integers;
  while (true) {
    Tensor out = torch::stable::new_empty(x, {job.n, head + integers * limbs});
    job.room = limbs;
    job.out = out.mutable_data_ptr<double>();
    std::fill(job.needed, job.needed + job.n, 0);
    torch::stable::parallel_for(0, job.n, 16, [&](int64_t begin, int64_t end) { kernels(job).step(job, begin, end); });
    const int64_t most = job.n ? *std::max_element(job.needed, job.needed + job.n) : 0;
    if (most <= limbs) return out;
    limbs = most;
  }
}

// (n,) int64: what is wrong with the integers of rows of the plane (plane.h: fault).
Tensor fault(Tensor x) {
  Job job = job_of(x, x, 0);
  Tensor codes = torch::stable::new_empty(x, {job.n}, ScalarType::Long);
  job.needed = codes.mutable_data_ptr<int64_t>();
  torch::stable::parallel_for(0, job.n, 64, [&](int64_t begin, int64_t end) { kernels(job).fault(job, begin, end); });
  return codes;
}

}  // namespace
}  // namespace tilings
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def(
      "tiling_view(Tensor x, Tensor y, int dim, Tensor(a!) dist, Tensor(b!)? nx, Tensor(c!)? ny, Tensor(d!)? side) -> ()");
  m.def("tiling_pairs(Tensor x, Tensor y, int dim, Tensor(a!) dist) -> ()");
  m.def("tiling_pull(Tensor x, Tensor y, int dim, Tensor grad, Tensor(a!)? nx, Tensor(b!)? ny) -> ()");
  m.def("tiling_step(Tensor x, Tensor? u, int dim, bool single, Tensor(a!) needed) -> Tensor");
  m.def("tiling_fault(Tensor x) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("tiling_view", TORCH_BOX(&hypgeo::tilings::view));
  m.impl("tiling_pairs", TORCH_BOX(&hypgeo::tilings::pairs));
  m.impl("tiling_pull", TORCH_BOX(&hypgeo::tilings::pull));
  m.impl("tiling_step", TORCH_BOX(&hypgeo::tilings::step));
  m.impl("tiling_fault", TORCH_BOX(&hypgeo::tilings::fault));
}
