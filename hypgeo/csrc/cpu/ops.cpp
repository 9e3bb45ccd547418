// The ops over rows on the CPU: threads, the choice of instruction set, registration.
#include "../gram/ball.h"
#include "../gram/convert.h"
#include "../gram/halfspace.h"
#include "../gram/hyperboloid.h"
#include "../isa.h"
#include "../pages.h"
#include "../rows.h"

namespace hypgeo {

#define TABLES                                                                                    \
  extern const Kernels ball_kernels[], hyperboloid_kernels[], halfspace_kernels[], convert_kernels[];
namespace base {
TABLES
}
#if defined(__x86_64__)
namespace avx2 {
TABLES
}
namespace avx512 {
TABLES
}
#endif
#undef TABLES
extern const SlowKernels ball_slow[], hyperboloid_slow[], halfspace_slow[], convert_slow[];

namespace {

constexpr int64_t kWork = 1 << 14;  // coordinates per task: enough to pay for waking a thread

struct Entry {
  Shape shape;
  const Kernels* kernels;
  const SlowKernels* slow;
};

void run(Call& call, const Shape& shape, const Kernel* kernels, const Slow* slow) {
  Job& job = call.job;
  const auto fill = [&](void* data, Layout layout) {
    if (data) large_pages(data, size_t(job.n * columns(layout, job.k)) * (call.which ? 8 : 4));
  };
  fill(job.out, shape.out);
  for (int j = 0; j < shape.rows; ++j) fill(job.grad_in[j], shape.in[j]);
  job.slow = slow[call.which];
  const Kernel kernel = kernels[call.which];
  const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(1, job.k));
  torch::stable::parallel_for(0, job.n, grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
}

// One op as torch sees it.  Its place in its model's list is its place in the tables of kernels.
template <class Op, int index, const Kernels* const& kernels, const SlowKernels* slow>
struct Bound {
  static const Entry& entry() {
    static const Entry e{shape_of<Op>(), kernels + index, slow + index};
    return e;
  }
  static Tensor value(std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c) {
    const Entry& e = entry();
    return forward(e.shape, rows, number, c, [&](Call& call) { run(call, e.shape, e.kernels->forward, e.slow->forward); });
  }
  static std::vector<Tensor> pullback(Tensor grad, std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c,
                                      int64_t needs) {
    const Entry& e = entry();
    return backward(e.shape, grad, rows, number, c, needs,
                    [&](Call& call) { run(call, e.shape, e.kernels->backward, e.slow->backward); });
  }
};

const Kernels* const ball_chosen = HYPGEO_CHOOSE(ball_kernels);
const Kernels* const hyperboloid_chosen = HYPGEO_CHOOSE(hyperboloid_kernels);
const Kernels* const halfspace_chosen = HYPGEO_CHOOSE(halfspace_kernels);
const Kernels* const convert_chosen = HYPGEO_CHOOSE(convert_kernels);

namespace ball_index {
enum {
#define OP(name, Op) name,
#include "../gram/ball.def"
#undef OP
};
}
namespace hyperboloid_index {
enum {
#define OP(name, Op) name,
#include "../gram/hyperboloid.def"
#undef OP
};
}
namespace halfspace_index {
enum {
#define OP(name, Op) name,
#include "../gram/halfspace.def"
#undef OP
};
}
namespace convert_index {
enum {
#define OP(name, Op) name,
#include "../gram/convert.def"
#undef OP
};
}

}  // namespace

STABLE_TORCH_LIBRARY(hypgeo, m) {
#define OP(name, Op)                                                  \
  m.def(#name "(Tensor[] rows, Tensor? number, Tensor c) -> Tensor"); \
  m.def(#name "_backward(Tensor grad, Tensor[] rows, Tensor? number, Tensor c, int needs) -> Tensor[]");
#include "../gram/ball.def"
#include "../gram/hyperboloid.def"
#include "../gram/halfspace.def"
#include "../gram/convert.def"
#undef OP
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, ball_index::name, ball_chosen, ball_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, ball_index::name, ball_chosen, ball_slow>::pullback)));
#include "../gram/ball.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, hyperboloid_index::name, hyperboloid_chosen, hyperboloid_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, hyperboloid_index::name, hyperboloid_chosen, hyperboloid_slow>::pullback)));
#include "../gram/hyperboloid.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, halfspace_index::name, halfspace_chosen, halfspace_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, halfspace_index::name, halfspace_chosen, halfspace_slow>::pullback)));
#include "../gram/halfspace.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, convert_index::name, convert_chosen, convert_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, convert_index::name, convert_chosen, convert_slow>::pullback)));
#include "../gram/convert.def"
#undef OP
}

}  // namespace hypgeo
