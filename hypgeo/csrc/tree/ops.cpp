// Torch's door to the tree kernels: checks have been made in hypgeo/ops/tree.py; outputs are written in place.
#include <atomic>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "build.h"
#include "delta.h"
#include "refine.h"
#include "search.h"

namespace hypgeo::tree {
namespace {

using torch::stable::Tensor;

template <class T>
T* data(const Tensor& t) {
  return static_cast<T*>(t.data_ptr());
}

Points points(const Tensor& parent, const Tensor& rows) {
  return {data<int64_t>(parent), data<double>(rows), rows.size(0), int(rows.size(1))};
}

// f(i, thread) for i in [0, n), handed out one by one: rows cost very different amounts
template <class F>
void each(int64_t n, const F& f) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::max<int64_t>(1, torch::stable::get_num_threads());
  torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t i; (i = next.fetch_add(1)) < n;) f(i, k);
  });
}

void tree_dist(Tensor parent, Tensor rows, Tensor i, Tensor j, Tensor out) {
  const Points t = points(parent, rows);
  const int64_t *a = data<int64_t>(i), *b = data<int64_t>(j);
  double* o = data<double>(out);
  torch::stable::parallel_for(0, i.numel(), 64, [&](int64_t begin, int64_t end) {
    Seen u(t.axes()), v(t.axes());
    for (int64_t k = begin; k < end; ++k) o[k] = distance(t, a[k], b[k], u, v);
  });
}

void tree_dist_from(Tensor parent, Tensor rows, Tensor sources, Tensor out) {
  const Points t = points(parent, rows);
  const int64_t* s = data<int64_t>(sources);
  double* o = data<double>(out);
  each(sources.numel(), [&](int64_t k, int64_t) { distances_from(t, s[k], o + k * t.n); });
}

void tree_sweep(Tensor parent, Tensor rows, Tensor sources, Tensor out) {
  const Points t = points(parent, rows);
  const int64_t* s = data<int64_t>(sources);
  double* o = data<double>(out);
  std::vector<Sweep> sweeps(torch::stable::get_num_threads());
  each(sources.numel(), [&](int64_t k, int64_t thread) { sweeps[thread].run(t, s[k], o + k * t.n); });
}

void tree_positions(Tensor parent, Tensor rows, Tensor out) { positions(points(parent, rows), data<double>(out)); }

// out[k] = (average precision, rank sum) of source k; the graph in compressed rows, symmetric, without loops; counted (n,): who takes part
void tree_ranks(Tensor parent, Tensor rows, Tensor indptr, Tensor indices, Tensor counted, Tensor sources, Tensor out) {
  const Points t = points(parent, rows);
  const Index index(t);
  const bool* takes_part = data<bool>(counted);
  const int64_t *ptr = data<int64_t>(indptr), *nbr = data<int64_t>(indices), *s = data<int64_t>(sources);
  double* o = data<double>(out);
  std::vector<std::vector<int64_t>> marks(torch::stable::get_num_threads());
  each(sources.numel(), [&](int64_t k, int64_t thread) {
    std::vector<int64_t>& mark = marks[thread];
    if (mark.empty()) mark.assign(t.n, -1);
    const int64_t u = s[k];
    std::vector<double> d;
    mark[u] = u;
    for (int64_t e = ptr[u]; e < ptr[u + 1]; ++e) {
      mark[nbr[e]] = u;
      d.push_back(index.pair(u, nbr[e]) * (1 + kSlack));
    }
    if (d.empty()) {
      o[2 * k] = o[2 * k + 1] = NAN;
      return;
    }
    std::sort(d.begin(), d.end());
    std::vector<int64_t> closer(d.size(), 0);
    index.within(u, d.back(), [&](int64_t w, double x) {
      if (mark[w] != u && takes_part[w]) ++closer[std::lower_bound(d.begin(), d.end(), x) - d.begin()];
    });
    const Ranks r = ranks(d, closer);
    o[2 * k] = r.average_precision;
    o[2 * k + 1] = r.rank_sum;
  });
}

// The same from rows of distances: dist (b, n) from `sources` to all nodes.
void rank_rows(Tensor dist, Tensor indptr, Tensor indices, Tensor sources, Tensor out) {
  const int64_t n = dist.size(1);
  const double* dd = data<double>(dist);
  const int64_t *ptr = data<int64_t>(indptr), *nbr = data<int64_t>(indices), *s = data<int64_t>(sources);
  double* o = data<double>(out);
  each(sources.numel(), [&](int64_t k, int64_t) {
    const int64_t u = s[k];
    auto row = [&](int64_t w) {  // nan, where a point is none, is farther than all
      const double x = dd[k * n + w];
      return x == x ? x : INFINITY;
    };
    std::vector<double> d;
    for (int64_t e = ptr[u]; e < ptr[u + 1]; ++e) d.push_back(row(nbr[e]) * (1 + kSlack));
    if (d.empty()) {
      o[2 * k] = o[2 * k + 1] = NAN;
      return;
    }
    std::sort(d.begin(), d.end());
    std::vector<int64_t> closer(d.size(), 0);
    const double reach = d.back();
    for (int64_t w = 0; w < n; ++w)
      if (w != u && row(w) <= reach) ++closer[std::lower_bound(d.begin(), d.end(), row(w)) - d.begin()];
    for (int64_t e = ptr[u]; e < ptr[u + 1]; ++e) --closer[std::lower_bound(d.begin(), d.end(), row(nbr[e])) - d.begin()];
    const Ranks r = ranks(d, closer);
    o[2 * k] = r.average_precision;
    o[2 * k + 1] = r.rank_sum;
  });
}

double tree_allowance(Tensor parent, Tensor length, Tensor fixed, double excess, double scale) {
  return smallest_allowance(data<int64_t>(parent), data<double>(length), data<double>(fixed), parent.numel(), excess, scale);
}

bool tree_sectors(Tensor parent, Tensor length, Tensor fixed, Tensor share, double allowance, double scale, Tensor direction, Tensor extra) {
  return sectors(data<int64_t>(parent), data<double>(length), data<double>(fixed), data<double>(share), parent.numel(), allowance, scale, data<double>(direction),
                 data<double>(extra));
}

void tree_place(Tensor parent, Tensor direction, Tensor tau, Tensor out) {
  place(data<int64_t>(parent), data<double>(direction), data<double>(tau), out.size(0), int(out.size(1)), data<double>(out));
}

double graph_delta(Tensor dist, Tensor indptr, Tensor indices) {
  return delta(data<double>(dist), dist.size(0), data<int64_t>(indptr), data<int64_t>(indices));
}

// A tree over the n graph nodes and hidden ones, refined; the new one is written to `edges` and `length`, which have room for more.
// Returns its number of edges; score: summed average precision before and after, and moves made.
int64_t tree_refine(Tensor edges, Tensor length, int64_t count, Tensor indptr, Tensor indices, Tensor pairs, double margin, int64_t visits,
                    int64_t tries, double hot, double cold, int64_t longest, int64_t seed, Tensor spokes, Tensor score) {
  Refiner r(data<int64_t>(edges), data<double>(length), count, indptr.numel() - 1, data<int64_t>(spokes), spokes.numel(), data<int64_t>(indptr), data<int64_t>(indices), margin, visits);
  double* s = data<double>(score);
  s[0] = r.total();
  s[2] = double(r.anneal(data<int64_t>(pairs), pairs.size(0), tries, hot, cold, longest, uint64_t(seed)));
  s[1] = r.total();
  std::vector<int64_t> e;
  std::vector<double> l;
  r.tree(e, l);
  if (int64_t(l.size()) > length.numel()) return -int64_t(l.size());
  std::copy(e.begin(), e.end(), data<int64_t>(edges));
  std::copy(l.begin(), l.end(), data<double>(length));
  return int64_t(l.size());
}

}  // namespace
}  // namespace hypgeo::tree

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def("tree_dist(Tensor parent, Tensor rows, Tensor i, Tensor j, Tensor(a!) out) -> ()");
  m.def("tree_dist_from(Tensor parent, Tensor rows, Tensor sources, Tensor(a!) out) -> ()");
  m.def("tree_sweep(Tensor parent, Tensor rows, Tensor sources, Tensor(a!) out) -> ()");
  m.def("tree_positions(Tensor parent, Tensor rows, Tensor(a!) out) -> ()");
  m.def("tree_ranks(Tensor parent, Tensor rows, Tensor indptr, Tensor indices, Tensor counted, Tensor sources, Tensor(a!) out) -> ()");
  m.def("rank_rows(Tensor dist, Tensor indptr, Tensor indices, Tensor sources, Tensor(a!) out) -> ()");
  m.def("tree_allowance(Tensor parent, Tensor length, Tensor fixed, float excess, float scale) -> float");
  m.def("tree_sectors(Tensor parent, Tensor length, Tensor fixed, Tensor share, float allowance, float scale, Tensor(a!) direction, Tensor(b!) extra) -> bool");
  m.def(
      "tree_refine(Tensor(a!) edges, Tensor(b!) length, int count, Tensor indptr, Tensor indices, Tensor pairs, float margin, int visits, "
      "int tries, float hot, float cold, int longest, int seed, Tensor spokes, Tensor(c!) score) -> int");
  m.def("tree_place(Tensor parent, Tensor direction, Tensor tau, Tensor(a!) out) -> ()");
  m.def("graph_delta(Tensor dist, Tensor indptr, Tensor indices) -> float");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("tree_dist", TORCH_BOX(&hypgeo::tree::tree_dist));
  m.impl("tree_dist_from", TORCH_BOX(&hypgeo::tree::tree_dist_from));
  m.impl("tree_sweep", TORCH_BOX(&hypgeo::tree::tree_sweep));
  m.impl("tree_positions", TORCH_BOX(&hypgeo::tree::tree_positions));
  m.impl("tree_ranks", TORCH_BOX(&hypgeo::tree::tree_ranks));
  m.impl("rank_rows", TORCH_BOX(&hypgeo::tree::rank_rows));
  m.impl("tree_allowance", TORCH_BOX(&hypgeo::tree::tree_allowance));
  m.impl("tree_sectors", TORCH_BOX(&hypgeo::tree::tree_sectors));
  m.impl("tree_refine", TORCH_BOX(&hypgeo::tree::tree_refine));
  m.impl("tree_place", TORCH_BOX(&hypgeo::tree::tree_place));
  m.impl("graph_delta", TORCH_BOX(&hypgeo::tree::graph_delta));
}
