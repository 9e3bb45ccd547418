// Every CPU loop over rows, and the registration of the ops in ops.def.
#include "../launch.h"

namespace hypgeo {
namespace {

constexpr int64_t kWork = 1 << 14;  // coordinates per task: enough to pay for waking a thread

int64_t grain(const Tensor& x) { return std::max<int64_t>(1, kWork / std::max<int64_t>(1, x.size(1))); }

template <class Op, class T>
Coef coef_of(const T* x, const T* y, int64_t d, const Curvature& k) {
  typename Op::template Gram<T> gram;
  for (int64_t i = Op::first; i < d; ++i) gram.add(x[i], y[i]);
  return Op::coef(gram, x + Op::first, y + Op::first, long(d - Op::first), k);
}

template <class Op, class T>
void pair_forward(const Tensor& x, const Tensor& y, const Curvature& k, Tensor& out) {
  const T *px = x.const_data_ptr<T>(), *py = y.const_data_ptr<T>();
  T* po = out.mutable_data_ptr<T>();
  const int64_t d = x.size(1);
  torch::stable::parallel_for(0, x.size(0), grain(x), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) po[r] = T(coef_of<Op>(px + r * d, py + r * d, d, k).value);
  });
}

template <class Op, class T>
void pair_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Curvature& k, Tensor& gx, Tensor& gy,
                   Tensor& gc) {
  const T *pg = grad.const_data_ptr<T>(), *px = x.const_data_ptr<T>(), *py = y.const_data_ptr<T>();
  T *pgx = gx.mutable_data_ptr<T>(), *pgy = gy.mutable_data_ptr<T>();
  double* pgc = gc.mutable_data_ptr<double>();
  const int64_t d = x.size(1);
  torch::stable::parallel_for(0, x.size(0), grain(x), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T *xr = px + r * d, *yr = py + r * d;
      T *gxr = pgx + r * d, *gyr = pgy + r * d;
      Pull<Op, T> pull(coef_of<Op>(xr, yr, d, k), pg[r]);
      for (int64_t i = Op::first; i < d; ++i) {
        pull.at(xr[i], yr[i], gxr + i, gyr + i);
        if constexpr (Op::first > 0) pull.count(xr[i], yr[i], gxr[i], gyr[i]);
      }
      if constexpr (Op::first > 0) pull.derived(gxr, gyr);
      pgc[r] = pg[r] * pull.r.dc;
    }
  });
}

template <class Op>
Tensor pair_op(const Tensor& x, const Tensor& y, const Tensor& c) {
  check_pair(x, y, c);
  const Curvature k(*c.const_data_ptr<double>());
  Tensor out = numbers(x, x.scalar_type());
  if (x.scalar_type() == ScalarType::Float) {
    pair_forward<Op, float>(x, y, k, out);
  } else {
    pair_forward<Op, double>(x, y, k, out);
  }
  return out;
}

template <class Op>
std::tuple<Tensor, Tensor, Tensor> pair_op_backward(const Tensor& grad, const Tensor& x, const Tensor& y,
                                                    const Tensor& c) {
  check_pair(x, y, c);
  const Curvature k(*c.const_data_ptr<double>());
  Tensor gx = torch::stable::empty_like(x), gy = torch::stable::empty_like(y), gc = numbers(x, ScalarType::Double);
  if (x.scalar_type() == ScalarType::Float) {
    pair_backward<Op, float>(grad, x, y, k, gx, gy, gc);
  } else {
    pair_backward<Op, double>(grad, x, y, k, gx, gy, gc);
  }
  return {gx, gy, gc};
}

}  // namespace

STABLE_TORCH_LIBRARY(hypgeo, m) {
#define PAIR(name, Op)                                    \
  m.def(#name "(Tensor x, Tensor y, Tensor c) -> Tensor"); \
  m.def(#name "_backward(Tensor grad, Tensor x, Tensor y, Tensor c) -> (Tensor, Tensor, Tensor)");
#include "../ops.def"
#undef PAIR
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
#define PAIR(name, Op)                  \
  m.impl(#name, TORCH_BOX(&pair_op<Op>)); \
  m.impl(#name "_backward", TORCH_BOX(&pair_op_backward<Op>));
#include "../ops.def"
#undef PAIR
}

}  // namespace hypgeo
