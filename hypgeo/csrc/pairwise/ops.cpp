// Distances of every row to every row, as torch sees them on the CPU: lifting, threads, the choice of instruction set.
//
// Pairs that the kernels leave open (equal rows apart) are listed for hypgeo/ops/pairwise.py, which asks the exact op.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "../isa.h"
#include "../pages.h"
#include "job.h"
#include "lift.h"

namespace hypgeo {

namespace base::pairwise {
extern const panels::Kernels kernels[];
}
#if defined(__x86_64__)
namespace avx2::pairwise {
extern const panels::Kernels kernels[];
}
namespace avx512::pairwise {
extern const panels::Kernels kernels[];
}
#endif

namespace pairwise {
namespace {

using panels::Curving;
using panels::Job;
using panels::kRows;
using panels::tile_of;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

int64_t padded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <class T>
struct Array {
  std::unique_ptr<T, decltype(&std::free)> data{nullptr, &std::free};
  explicit Array(int64_t size) : data(nullptr, &std::free) {
    const size_t bytes = size_t(padded(std::max<int64_t>(size, 1) * int64_t(sizeof(T)), 64));
    data.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    std::fill_n(data.get(), size, T(0));
  }
  operator T*() const { return data.get(); }
  T* or_null(bool wanted) const { return wanted ? data.get() : nullptr; }
};

// The lifted rows of one side: one after the other, or in tiles.
template <class C>
struct Side {
  Array<C> z, low, factor;
  template <class T>
  Side(const Space& s, const T* rows, int64_t n, int64_t columns, bool tiles)
      : z(size(n, tiles) * s.dimension(columns)),
        low(sizeof(T) == 8 && s.model == Model::kHyperboloid ? size(n, tiles) * s.dimension(columns) : 0),
        factor(size(n, tiles)) {
    const int64_t d = s.dimension(columns), width = tile_of<C>;
    const bool twofold = sizeof(T) == 8 && s.model == Model::kHyperboloid;
    const T* first = rows + (columns - d);
    for (int64_t i = 0; i < n; ++i) {
      const T *row = rows + i * columns, *x = first + i * columns;
      const Lift l = lift(s, row, d, tiles);
      factor[i] = C(l.factor);
      if (!std::isfinite(l.factor)) continue;  // coordinates of 0, which times 0 are 0
      const int64_t start = tiles ? i / width * width * d + i % width : i * d, step = tiles ? width : 1;
      if (s.model != Model::kHyperboloid) {
        for (int64_t k = 0; k < d; ++k) z[start + k * step] = C(x[k]);
      } else {
        for (int64_t k = 0; k < d; ++k) {
          const dd v = l.per * double(x[k]);
          z[start + k * step] = C(v.hi);
          if (twofold) low[start + k * step] = C(v.lo);
        }
      }
    }
    // what fills up is a point like any other
    for (int64_t i = n; i < size(n, tiles); ++i) factor[i] = C(1);
  }
  static int64_t size(int64_t n, bool tiles) { return padded(n, tiles ? tile_of<C> : kRows); }
};

// Pairs (index of the distance in its matrix) left open, equal rows apart: those have distance 0.
struct Open {
  std::vector<int64_t> pairs;
  const void *x, *y;
  int64_t columns, skip, m;
  bool wide;
  void* out;  // null: nothing to write
  template <class T>
  void add(int64_t i, int64_t j) {
    const T *a = static_cast<const T*>(x) + i * columns, *b = static_cast<const T*>(y) + j * columns;
    if (std::equal(a + skip, a + columns, b + skip) && finite(a)) {
      if (out) static_cast<T*>(out)[i * m + j] = T(0);
    } else {
      pairs.push_back(i * m + j);
    }
  }
  template <class T>
  bool finite(const T* row) const {
    return std::all_of(row + skip, row + columns, [](T v) { return std::isfinite(v); });
  }
  static void entry(void* self, int64_t i, int64_t j) {
    Open& o = *static_cast<Open*>(self);
    o.wide ? o.add<double>(i, j) : o.add<float>(i, j);
  }
};

struct Call {
  Tensor x, y, c;
  Model model;
  int64_t batch, n, m, columns;
  bool wide;
  Call(const Tensor& x_, const Tensor& y_, const Tensor& c_, int64_t which) : x(x_), y(y_), c(c_), model(Model(which)) {
    STD_TORCH_CHECK(x.dim() == 3 && y.dim() == 3 && x.size(0) == y.size(0) && x.size(2) == y.size(2),
                    "hypgeo: x and y must be batches of tables with rows of one length");
    STD_TORCH_CHECK(x.scalar_type() == y.scalar_type() &&
                        (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::Double),
                    "hypgeo: x and y must both be float32 or both float64");
    STD_TORCH_CHECK(c.dim() == 1 && c.size(0) == x.size(0) && c.scalar_type() == ScalarType::Double,
                    "hypgeo: c must be one float64 number a batch");
    STD_TORCH_CHECK(x.is_contiguous() && y.is_contiguous() && c.is_contiguous(), "hypgeo: tensors must be contiguous");
    STD_TORCH_CHECK(which >= 0 && which < 3 && x.size(2) > (model == Model::kHyperboloid),
                    "hypgeo: rows have too few coordinates");
    batch = x.size(0);
    n = x.size(1);
    m = y.size(1);
    columns = x.size(2);
    wide = x.scalar_type() == ScalarType::Double;
  }
  panels::Kind kind() const {
    if (model == Model::kHyperboloid) return wide ? panels::kTwofold : panels::kFloatInDouble;
    return wide ? panels::kDouble : panels::kFloat;
  }
  Space space(int64_t b) const { return Space(model, c.const_data_ptr<double>()[b]); }
  int64_t threads(int64_t parts) const {
    return std::max<int64_t>(1, std::min<int64_t>(int64_t(torch::stable::get_num_threads()), parts));
  }
};

// f<T, C>() for the types of the rows and of their coordinates.
template <class F>
void typed(const Call& call, const F& f) {
  if (call.wide) {
    f(double(), double());
  } else if (call.model == Model::kHyperboloid) {
    f(float(), double());
  } else {
    f(float(), float());
  }
}

// Rows of x in parts for the threads, f(part, begin, end).
template <class F>
void in_parts(int64_t n, int64_t parts, const F& f) {
  const int64_t step = padded((n + parts - 1) / parts, kRows);
  torch::stable::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const int64_t begin = std::min(n, p * step), end = std::min(n, begin + step);
      if (begin < end) f(p, begin, end);
    }
  });
}

Tensor listed(const Tensor& like, const std::vector<Open>& lists, const std::vector<int64_t>& starts) {
  int64_t size = 0;
  for (const Open& l : lists) size += int64_t(l.pairs.size());
  Tensor out = torch::stable::new_empty(like, {size}, ScalarType::Long);
  int64_t* to = out.mutable_data_ptr<int64_t>();
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const int64_t pair : lists[i].pairs) *to++ = starts[i] + pair;
  }
  return out;
}

template <class T, class C>
Job job_of(const Call& call, const Space& s, const Side<C>& x, const Side<C>& y) {
  Job job;
  job.n = call.n;
  job.m = call.m;
  job.d = s.dimension(call.columns);
  const bool twofold = call.kind() == panels::kTwofold;
  job.x = x.z;
  job.y = y.z;
  job.x_low = x.low.or_null(twofold);
  job.y_low = y.low.or_null(twofold);
  job.a = x.factor;
  job.b = y.factor;
  const dd scale = 1.0 / s.root;
  job.scale = scale.hi;
  job.scale_low = scale.lo;
  job.least = least<T>(s.model);
  job.open = &Open::entry;
  return job;
}

std::tuple<Tensor, Tensor> pairwise_quick(Tensor x, Tensor y, Tensor c, int64_t model) {
  const Call call(x, y, c, model);
  Tensor out = torch::stable::new_empty(x, {call.batch, call.n, call.m});
  const size_t each = size_t(call.n * call.m) * (call.wide ? 8 : 4), bytes = each * size_t(call.batch);
  char* data = static_cast<char*>(out.mutable_data_ptr());
  large_pages(data, bytes);
  std::vector<Open> lists;
  std::vector<int64_t> starts;
  const int64_t parts = call.threads(call.n * call.m / 4096);
  const panels::Kernels& kernels = HYPGEO_CHOOSE(pairwise::kernels)[call.kind()];
  lists.reserve(size_t(call.batch * parts));
  for (int64_t b = 0; b < call.batch; ++b) {
    typed(call, [&](auto t, auto coordinate) {
      using T = decltype(t);
      using C = decltype(coordinate);
      const Space s = call.space(b);
      const T* px = x.const_data_ptr<T>() + b * call.n * call.columns;
      const T* py = y.const_data_ptr<T>() + b * call.m * call.columns;
      const Side<C> left(s, px, call.n, call.columns, false), right(s, py, call.m, call.columns, true);
      Job job = job_of<T>(call, s, left, right);
      job.out = data + size_t(b) * each;
      const size_t before = lists.size();
      for (int64_t p = 0; p < parts; ++p) {
        lists.push_back({{}, px, py, call.columns, call.columns - job.d, call.m, call.wide, job.out});
        starts.push_back(b * call.n * call.m);
      }
      in_parts(call.n, parts, [&](int64_t p, int64_t begin, int64_t end) {
        Job mine = job;
        mine.list = &lists[before + size_t(p)];
        kernels.forward(mine, begin, end);
      });
    });
  }
  return {out, listed(x, lists, starts)};
}

// Gradients in double, not rounded yet (lift.h on the hyperboloid's time), the derivative in c, and the pairs left.
std::tuple<Tensor, Tensor, Tensor, Tensor> pairwise_pull(Tensor grad, Tensor x, Tensor y, Tensor c, Tensor out,
                                                         int64_t model, bool wants_c) {
  const Call call(x, y, c, model);
  const auto fits = [&](const Tensor& t) {
    return t.dim() == 3 && t.size(0) == call.batch && t.size(1) == call.n && t.size(2) == call.m && t.is_contiguous() &&
           t.scalar_type() == x.scalar_type();
  };
  STD_TORCH_CHECK(fits(grad) && fits(out),
                  "hypgeo: the upstream gradient must have the shape and dtype of the distances");
  Tensor gx = torch::stable::new_empty(x, x.sizes(), ScalarType::Double);
  Tensor gy = torch::stable::new_empty(y, y.sizes(), ScalarType::Double);
  Tensor gc = torch::stable::new_zeros(c, {call.batch});
  std::vector<Open> lists;
  std::vector<int64_t> starts;
  const int64_t parts = call.threads(call.n * call.m / 4096);
  const panels::Kernels& kernels = HYPGEO_CHOOSE(pairwise::kernels)[call.kind()];
  lists.reserve(size_t(call.batch * parts));
  for (int64_t b = 0; b < call.batch; ++b) {
    typed(call, [&](auto t, auto coordinate) {
      using T = decltype(t);
      using C = decltype(coordinate);
      const Space s = call.space(b);
      const T* px = x.const_data_ptr<T>() + b * call.n * call.columns;
      const T* py = y.const_data_ptr<T>() + b * call.m * call.columns;
      const Side<C> left(s, px, call.n, call.columns, false), right(s, py, call.m, call.columns, true);
      Job job = job_of<T>(call, s, left, right);
      const int64_t d = job.d, width = tile_of<C>, m = padded(call.m, width);
      job.grad = grad.const_data_ptr<T>() + b * call.n * call.m;
      job.out = const_cast<T*>(out.const_data_ptr<T>()) + b * call.n * call.m;
      if (wants_c) {
        constexpr Curving curvings[] = {Curving::kNested, Curving::kTimes, Curving::kChord};
        job.curving = curvings[int(s.model)];
      }
      const Array<double> sum_x(call.n * d), pull_x(call.n), sum_y(parts * m * d), pull_y(parts * m), curve(parts);
      job.sum_x = sum_x;
      job.pull_x = pull_x;
      const size_t before = lists.size();
      for (int64_t p = 0; p < parts; ++p) {
        lists.push_back({{}, px, py, call.columns, call.columns - d, call.m, call.wide, nullptr});
        starts.push_back(b * call.n * call.m);
      }
      in_parts(call.n, parts, [&](int64_t p, int64_t begin, int64_t end) {
        Job mine = job;
        mine.sum_y = sum_y + p * m * d;
        mine.pull_y = pull_y + p * m;
        mine.curve = curve + p;
        mine.list = &lists[before + size_t(p)];
        kernels.backward(mine, begin, end);
      });
      double slope = 0.0;
      double* to = gx.mutable_data_ptr<double>() + b * call.n * call.columns;
      for (int64_t i = 0; i < call.n; ++i) {
        pull_back(s, px + i * call.columns, d, sum_x + i * d, pull_x[i], to + i * call.columns);
        if (wants_c && pull_x[i] != 0.0) slope += pull_x[i] * factor_slope(s, px + i * call.columns, d);
      }
      to = gy.mutable_data_ptr<double>() + b * call.m * call.columns;
      std::vector<double> sum(static_cast<size_t>(d));
      for (int64_t j = 0; j < call.m; ++j) {
        double pull = 0.0;
        std::fill(sum.begin(), sum.end(), 0.0);
        for (int64_t p = 0; p < parts; ++p) {
          const double* tile = sum_y + p * m * d + j / width * width * d + j % width;
          for (int64_t k = 0; k < d; ++k) sum[size_t(k)] += tile[k * width];
          pull += pull_y[p * m + j];
        }
        pull_back(s, py + j * call.columns, d, sum.data(), pull, to + j * call.columns);
        if (wants_c && pull != 0.0) slope += pull * factor_slope(s, py + j * call.columns, d);
      }
      double bent = 0.0;
      for (int64_t p = 0; p < parts; ++p) bent += curve[p];
      gc.mutable_data_ptr<double>()[b] = slope + bent * job.scale / s.c;
    });
  }
  return {gx, gy, gc, listed(x, lists, starts)};
}

}  // namespace
}  // namespace pairwise
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def("pairwise_quick(Tensor x, Tensor y, Tensor c, int model) -> (Tensor, Tensor)");
  m.def(
      "pairwise_pull(Tensor grad, Tensor x, Tensor y, Tensor c, Tensor out, int model, bool wants_c) -> "
      "(Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("pairwise_quick", TORCH_BOX(&hypgeo::pairwise::pairwise_quick));
  m.impl("pairwise_pull", TORCH_BOX(&hypgeo::pairwise::pairwise_pull));
}
