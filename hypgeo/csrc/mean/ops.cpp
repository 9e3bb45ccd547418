// The means as torch sees them: which rows form which set, which sets are solved side by side, and on which threads.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "../isa.h"
#include "job.h"

namespace hypgeo::mean {

namespace base {
extern const Kernels kernels[];
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels[];
}
namespace avx512 {
extern const Kernels kernels[];
}
#endif

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Maybe = std::optional<Tensor>;

constexpr int64_t kWork = 1 << 13;    // coordinates below which no other thread is woken
constexpr int64_t kBeside = 1 << 17;  // coordinates of sets that are solved side by side: they should stay in cache

void each(int64_t n, void (*task)(void*, int64_t), void* context) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(n, torch::stable::get_num_threads());
  torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t i; (i = next.fetch_add(1)) < n;) task(context, i);
  });
}

// Which rows belong to which set.
struct Sets {
  int64_t n;
  std::vector<int64_t> start, order;  // as in Job; order empty where rows stand set by set

  Sets(int64_t rows, const Maybe& index, int64_t count) : n(count), start(size_t(count) + 1, 0) {
    if (!index) {
      STD_TORCH_CHECK(rows % std::max<int64_t>(n, 1) == 0, "hypgeo: the rows do not divide into sets");
      for (int64_t k = 0; k <= n; ++k) start[size_t(k)] = k * (n ? rows / n : 0);
      return;
    }
    const int64_t* at = index->const_data_ptr<int64_t>();
    for (int64_t i = 0; i < rows; ++i) {
      STD_TORCH_CHECK(at[i] >= 0 && at[i] < n, "hypgeo: index holds ", at[i], ", but there are ", n, " sets");
      ++start[size_t(at[i]) + 1];
    }
    std::partial_sum(start.begin(), start.end(), start.begin());
    order.resize(size_t(rows));
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t i = 0; i < rows; ++i) order[size_t(next[size_t(at[i])]++)] = i;
  }
  int64_t size(int64_t k) const { return start[size_t(k) + 1] - start[size_t(k)]; }
  std::vector<int64_t> all() const {
    std::vector<int64_t> r(static_cast<size_t>(n));
    std::iota(r.begin(), r.end(), 0);
    return r;
  }
};

// Sets that are solved together: sets[begin .. begin + count).
struct Plan {
  std::vector<int64_t> sets;
  std::vector<std::pair<int64_t, int>> parts;

  Plan(const Sets& s, std::vector<int64_t> which, int64_t d, int lanes) : sets(std::move(which)) {
    const int64_t n = int64_t(sets.size());
    const int64_t threads = torch::stable::get_num_threads();
    auto larger = [&](int64_t a, int64_t b) { return s.size(a) > s.size(b); };
    if (!std::is_sorted(sets.begin(), sets.end(), larger)) std::stable_sort(sets.begin(), sets.end(), larger);
    for (int64_t i = 0; i < n;) {
      const int64_t most = s.size(sets[size_t(i)]), count = std::min<int64_t>(lanes, n - i);
      int64_t apart = 0;  // groups of points, and about what summing up the lanes costs
      for (int64_t k = i; k < i + count; ++k) apart += (s.size(sets[size_t(k)]) + lanes - 1) / lanes + 2;
      const bool enough = n >= lanes * threads || most * d * lanes <= kWork;  // there is work for every thread
      const bool beside = count > 1 && most <= apart && most * d * lanes <= kBeside && enough;
      parts.emplace_back(i, beside ? int(count) : 1);
      i += beside ? count : 1;
    }
  }
};

void check(const Tensor& x, const Maybe& w, const Maybe& index, int64_t sets, const Tensor& c, int64_t model) {
  STD_TORCH_CHECK(x.dim() == 2 && x.is_contiguous() && x.size(1) > (model == int64_t(Model::kHyperboloid)) &&
                      (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::Double),
                  "hypgeo: points must be a contiguous float32 or float64 table with a row a point");
  STD_TORCH_CHECK(!w || (w->scalar_type() == ScalarType::Double && w->is_contiguous() && w->numel() == x.size(0)),
                  "hypgeo: weights must be float64, one a row");
  STD_TORCH_CHECK(!index || (index->scalar_type() == ScalarType::Long && index->is_contiguous() &&
                             index->numel() == x.size(0)),
                  "hypgeo: index must be int64, one a row");
  STD_TORCH_CHECK(c.scalar_type() == ScalarType::Double && c.is_contiguous() && (c.numel() == 1 || c.numel() == sets),
                  "hypgeo: c must be float64, one number or one a set");
}

Job job_of(const Tensor& x, const Maybe& w, const Sets& s, const Tensor& c, int64_t model, int64_t kind) {
  Job job{};
  job.model = Model(model);
  job.kind = Kind(kind);
  job.wide = x.scalar_type() == ScalarType::Double;
  job.width = x.size(1);
  job.d = job.width - (job.model == Model::kHyperboloid);
  job.x = x.const_data_ptr();
  job.w = w ? w->const_data_ptr<double>() : nullptr;
  job.start = s.start.data();
  job.order = s.order.empty() ? nullptr : s.order.data();
  job.c = c.const_data_ptr<double>();
  job.c_step = c.numel() > 1;
  job.each = &each;
  return job;
}

template <class Run>
void run(const Job& job, const Sets& s, std::vector<int64_t> which, int lanes, const Run& f) {
  const Plan plan(s, std::move(which), job.d, lanes);
  auto part = [&](int64_t i) { f(job, plan.sets.data() + plan.parts[size_t(i)].first, plan.parts[size_t(i)].second); };
  const int64_t n = int64_t(plan.parts.size());
  if (n == 1 || s.start.back() * job.d < kWork) {
    for (int64_t i = 0; i < n; ++i) part(i);
  } else {
    auto task = [](void* context, int64_t i) { (*static_cast<decltype(part)*>(context))(i); };
    each(n, task, &part);
  }
}

std::tuple<Tensor, Tensor, Tensor> mean(const Tensor& x, const Maybe& w, const Maybe& index, int64_t sets,
                                        const Tensor& c, int64_t model, int64_t kind) {
  check(x, w, index, sets, c, model);
  const Sets s(x.size(0), index, sets);
  Job job = job_of(x, w, s, c, model, kind);
  Tensor out = torch::stable::new_empty(x, {sets, job.width});
  Tensor center = torch::stable::new_empty(x, {sets, 2, job.d}, ScalarType::Double);
  Tensor status = torch::stable::new_empty(x, {}, ScalarType::Long);
  std::vector<int8_t> each_status(size_t(sets), kConverged);
  job.out = out.mutable_data_ptr();
  job.center = center.mutable_data_ptr<double>();
  job.status = each_status.data();
  const Kernels& k = *HYPGEO_CHOOSE(kernels);
  run(job, s, s.all(), k.lanes, k.solve);
  // how many sets did not converge; -1 where weights are no weights
  const bool bad = std::count(each_status.begin(), each_status.end(), kBadWeights);
  *status.mutable_data_ptr<int64_t>() = bad ? -1 : std::count(each_status.begin(), each_status.end(), kNotConverged);
  return {out, center, status};
}

std::tuple<Tensor, Tensor, Tensor> mean_backward(const Tensor& grad, const Tensor& x, const Maybe& w,
                                                 const Maybe& index, const Tensor& center, const Tensor& c,
                                                 int64_t model, int64_t kind, bool in_w, bool in_c) {
  const int64_t sets = grad.size(0);
  check(x, w, index, sets, c, model);
  STD_TORCH_CHECK(grad.is_contiguous() && grad.scalar_type() == x.scalar_type() && grad.size(1) == x.size(1),
                  "hypgeo: the gradient must be contiguous, a row a set in the points' dtype");
  const Sets s(x.size(0), index, sets);
  Job job = job_of(x, w, s, c, model, kind);
  Tensor gx = torch::stable::empty_like(x);
  Tensor gw = torch::stable::new_empty(x, {x.size(0)}, ScalarType::Double);
  Tensor gc = torch::stable::new_empty(x, {sets}, ScalarType::Double);
  job.center = const_cast<double*>(center.const_data_ptr<double>());
  job.grad = grad.const_data_ptr();
  job.in_w = in_w;
  job.in_c = in_c;
  job.grad_x = gx.mutable_data_ptr();
  job.grad_w = gw.mutable_data_ptr<double>();
  job.grad_c = gc.mutable_data_ptr<double>();
  const Kernels& k = *HYPGEO_CHOOSE(kernels);
  std::vector<int8_t> lost(static_cast<size_t>(sets), 0);
  job.lost = lost.data();
  run(job, s, s.all(), k.lanes, k.pull);
  std::vector<int64_t> again;
  for (int64_t i = 0; i < sets; ++i) {
    if (lost[size_t(i)]) again.push_back(i);
  }
  run(job, s, again, k.lanes, k.pull_again);
  return {gx, gw, gc};
}

}  // namespace
}  // namespace hypgeo::mean

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def(
      "mean(Tensor x, Tensor? w, Tensor? index, int sets, Tensor c, int model, int kind) -> (Tensor, Tensor, Tensor)");
  m.def(
      "mean_backward(Tensor grad, Tensor x, Tensor? w, Tensor? index, Tensor center, Tensor c, int model, int kind, "
      "bool in_w=True, bool in_c=True) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("mean", TORCH_BOX(&hypgeo::mean::mean));
  m.impl("mean_backward", TORCH_BOX(&hypgeo::mean::mean_backward));
}
