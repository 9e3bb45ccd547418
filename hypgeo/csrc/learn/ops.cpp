// An epoch of learning as torch sees it on the CPU.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "../isa.h"
#include "job.h"

namespace hypgeo {

namespace base::learn {
extern const learning::Kernels kernels[];
}
#if defined(__x86_64__)
namespace avx2::learn {
extern const learning::Kernels kernels[];
}
namespace avx512::learn {
extern const learning::Kernels kernels[];
}
#endif

namespace learn {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

void epoch(Tensor points, Tensor pairs, Tensor order, Tensor indptr, Tensor kept, int64_t model, int64_t components,
           int64_t negatives, int64_t batch, double scale, double rate, double c, int64_t key, Tensor found) {
  STD_TORCH_CHECK(points.dim() == 2 && points.is_contiguous() && points.scalar_type() == ScalarType::Double,
                  "hypgeo: points must be a contiguous float64 table");
  for (const Tensor& t : {pairs, order, indptr, kept}) {
    STD_TORCH_CHECK(t.is_contiguous() && t.scalar_type() == ScalarType::Long,
                    "hypgeo: pairs, their order and what is excluded must be contiguous int64");
  }
  learning::Job job;
  job.nodes = points.size(0);
  job.width = points.size(1);
  job.count = order.numel();
  enum { ball, hyperboloid, half, half_tile, hyperboloid_tile };
  const bool fits = model == half               ? job.width % components == 0
                    : model == half_tile        ? job.width >= 7 && (job.width + 3) % 5 == 0  // 4 limbs
                    : model == hyperboloid_tile ? job.width == 29                             // 3 limbs
                                                : job.width > (model == hyperboloid ? 1 : 0);
  STD_TORCH_CHECK(pairs.dim() == 2 && pairs.size(1) == 2 && pairs.size(0) == job.count &&
                      indptr.numel() == job.nodes + 1 && negatives > 0 && batch > 0 && components > 0 &&
                      components <= learning::kComponents && (model == half || components == 1) && model >= ball &&
                      model <= hyperboloid_tile && fits && c > 0,
                  "hypgeo: the sizes of an epoch's tensors do not fit together");
  job.points = points.mutable_data_ptr<double>();
  job.pairs = pairs.const_data_ptr<int64_t>();
  job.order = order.const_data_ptr<int64_t>();
  job.indptr = indptr.const_data_ptr<int64_t>();
  job.kept = kept.const_data_ptr<int64_t>();
  job.negatives = negatives;
  job.batch = batch;
  job.scale = scale;
  job.rate = rate;
  job.c = c;
  job.key = uint64_t(key);
  const learning::Kernels& kernels = HYPGEO_CHOOSE(learn::kernels)[0];
  const learning::Kernel of[] = {kernels.ball, kernels.hyperboloid, kernels.half[components - 1], kernels.half_tile,
                                 kernels.hyperboloid_tile};
  of[model](job);
  double* out = found.mutable_data_ptr<double>();
  out[0] = job.loss;
  out[1] = double(job.stuck);
}

}  // namespace
}  // namespace learn
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def(
      "learn_epoch(Tensor(a!) points, Tensor pairs, Tensor order, Tensor indptr, Tensor kept, int model, "
      "int components, int negatives, int batch, float scale, float rate, float c, int key, Tensor(b!) found) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) { m.impl("learn_epoch", TORCH_BOX(&hypgeo::learn::epoch)); }
