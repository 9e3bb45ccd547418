// An epoch: for each batch the losses and slopes of its pairs at the points as they are, then one step for every node
// that occurs in it.  One thread, sums in the order of the pairs, so that the same input gives the same bits.
#pragma once

#include <cstring>
#include <vector>

#include "draws.h"
#include "tiles.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace learn {

using learning::Job;
using M = LaneMask;

// e^x for x <= 0; what is below e^-700 stands as that.
HYPGEO_HD V exp_of(V x) {
  const ExpParts<V> e = exp_parts<V>(vmax<V>(x, splat<V>(-700.0)));
  return vfma<V>(e.p, e.scale, e.scale);
}

// kDim: the dimension where it is known beforehand, so that loops unroll; 0 where it is not.
template <class Space, int kDim>
struct Epoch {
  Job& job;
  const int64_t dim, lists, blocks;  // the dimension, targets of a pair, registers of them
  const double root;
  const double unit;  // what a distance at curvature -1 is at curvature -c
  std::vector<double> records, grad;
  std::vector<int64_t> words;  // 18 a node, where the tiles are the hyperboloid's
  std::vector<int64_t> touched, targets;
  int64_t many = 0;           // how many are touched
  std::vector<int64_t> seen;  // not of char, whose writes might change anything
  std::vector<double> few, slopes;
  Scratch scratch;
  V *distance, *at_u, *at_v;

  explicit Epoch(Job& j)
      : job(j), dim(Space::dim(j.width)), lists(1 + j.negatives), blocks((lists + kLanes - 1) / kLanes),
        root(std::sqrt(j.c)), unit(1.0 / root), records(j.nodes * Space::record(dim)), grad(j.nodes * dim),
        touched(j.nodes + 1), targets(blocks * kLanes), seen(j.nodes) {
    if constexpr (Space::kMove == Move::hyperboloid_tile) words.resize(18 * job.nodes);
    for (int64_t i = 0; i < job.nodes; ++i) {
      note(i);
      if constexpr (Space::kMove == Move::hyperboloid_tile) {
        if (!Space::integers(job.points + i * job.width, &words[18 * i])) job.stuck = i;
      }
    }
    distance = scratch.reserve(size_t(blocks * (1 + 2 * dim) + Space::record(dim)));
    at_u = distance + blocks;
    at_v = at_u + blocks * dim;
  }

  HYPGEO_HD int64_t d() const { return kDim ? kDim : dim; }
  HYPGEO_HD void note(int64_t node) {
    Space::note(job.points + node * job.width, d(), root, &records[node * Space::record(d())]);
  }
  // What kLanes targets are computed from, as planes.
  HYPGEO_HD void gather(int64_t u, const int64_t* some, V* record) {
    const int64_t size = Space::record(d());
    int64_t own = size;
    if constexpr (Space::kMove == Move::hyperboloid_tile) {
      own = Space::kOwn;
      for (int l = 0; l < kLanes; ++l) Space::between(&words[18 * u], &words[18 * some[l]], record + own, l);
    }
    for (int64_t i = 0; i < own; ++i) {
      V plane = V{};
      for (int l = 0; l < kLanes; ++l) plane[l] = records[some[l] * size + i];
      record[i] = plane;
    }
  }

  // Adds to the slope of a node.
  HYPGEO_HD void pull(int64_t node, const V* slope, int l) {
    double* to = grad.data() + node * d();
    for (int64_t i = 0; i < d(); ++i) to[i] += slope[i][l];
    touched[many] = node;  // counts where it is new
    many += 1 - seen[node];
    seen[node] = 1;
  }

  // Adds a pair's loss and the slopes of `weight` times it.
  void pair(int64_t at, double weight) {
    const int64_t d = this->d(), size = Space::record(d);
    V* record = at_v + blocks * d;
    const int64_t u = job.pairs[2 * job.order[at]];
    targets[0] = job.pairs[2 * job.order[at] + 1];
    draw(job, at, u, &targets[1]);
    for (int64_t j = lists; j < blocks * kLanes; ++j) targets[j] = targets[0];
    const double* own = &records[u * size];
    for (int64_t b = 0; b < blocks; ++b) {
      gather(u, &targets[b * kLanes], record);
      distance[b] = unit * Space::pair(own, record, d, at_u + b * d, at_v + b * d);
    }
    for (int64_t j = lists; j < blocks * kLanes; ++j) distance[blocks - 1][j % kLanes] = kInf;  // nobody
    V least = distance[0];
    for (int64_t b = 1; b < blocks; ++b) least = vmin<V>(least, distance[b]);
    double nearest = least[0];
    for (int l = 1; l < kLanes; ++l) nearest = std::min(nearest, least[l]);
    const double apart = job.scale * (distance[0][0] - nearest);
    V sums = V{};
    for (int64_t b = 0; b < blocks; ++b) sums += distance[b] = exp_of(job.scale * (nearest - distance[b]));
    double sum = 0.0;
    for (int l = 0; l < kLanes; ++l) sum += sums[l];
    job.loss += apart + std::log(sum);
    // the loss falls with the distance of a negative by its share of the sum, and grows with that of v by the others'
    const double share = weight * job.scale * (Space::kScaled ? 1.0 : unit);
    const double own_share = share * ((sum - distance[0][0]) / sum);
    for (int64_t b = 0; b < blocks; ++b) {
      distance[b] = distance[b] * (-share / sum);
      if (b == 0) distance[0][0] = own_share;
    }
    for (int64_t j = lists; j < blocks * kLanes; ++j) distance[blocks - 1][j % kLanes] = 0.0;
    for (int64_t i = 0; i < d; ++i) {
      V total = V{};
      for (int64_t b = 0; b < blocks; ++b) total += distance[b] * at_u[b * d + i];
      for (int l = 1; l < kLanes; ++l) total[0] += total[l];
      record[i] = total;
    }
    pull(u, record, 0);
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t i = 0; i < d; ++i) at_v[b * d + i] = distance[b] * at_v[b * d + i];
      const int live = int(std::min<int64_t>(kLanes, lists - b * kLanes));
      for (int l = 0; l < live; ++l) pull(targets[b * kLanes + l], at_v + b * d, l);
    }
  }

  // Moves every node that was touched, by the optimiser's own step.
  void step() {
    constexpr bool tiled = Space::kMove == Move::hyperboloid_tile;
    const int64_t d = this->d(), k = tiled ? d + 1 : Space::width(d), first = k - d;
    few.resize(many * k);
    slopes.assign(many * k, 0.0);
    for (int64_t r = 0; r < many; ++r) {
      const double* row = job.points + touched[r] * job.width - (tiled ? 1 : 0);  // tiles leave the time out
      for (int64_t i = tiled ? 1 : 0; i < k; ++i) few[r * k + i] = row[i];
      for (int64_t i = 0; i < d; ++i) slopes[r * k + first + i] = grad[touched[r] * d + i];
    }
    optim::Job move;
    move.columns = k;
    move.point = few.data();
    move.grad = slopes.data();
    move.c = tiled ? 1.0 : job.c;
    move.rate = tiled ? job.rate * job.c : job.rate;
    move.list = this;
    move.open = [](void* self, int64_t row) {
      Epoch& e = *static_cast<Epoch*>(self);
      e.job.stuck = e.touched[row];
    };
    if constexpr (tiled) {
      optim::step_rows<optim::Hyperboloid, double>(move, 0, many);
    } else {
      optim::step_rows<typename Space::Step, double>(move, 0, many);
    }
    for (int64_t r = 0; r < many; ++r) {
      double* row = job.points + touched[r] * job.width - (tiled ? 1 : 0);
      for (int64_t i = tiled ? 1 : 0; i < k; ++i) row[i] = few[r * k + i];
      if constexpr (tiled) {
        if (!Space::settle(row + 1, &words[18 * touched[r]])) job.stuck = touched[r];
      }
    }
  }

  // kLanes of the half-space's nodes that were touched, from the one numbered `begin` on, move by v = -rate c a^2 grad/a,
  // in units of the height a.  With s = |v| and D = e^-s + (s - v_up) sinh(s)/s that is aside by a v_flat (sinh(s)/s)/D,
  // and to the height a/D.
  struct Lift {
    V aside, per_D, up;  // of v and a; 1/D; 1/D - 1, not as a difference
    M good;
  };
  HYPGEO_HD Lift lift(int64_t begin, int live, V a, V* v) {
    const int64_t d = this->d(), up = d - 1;
    V flat = V{};
    for (int64_t i = 0; i < d; ++i) {
      V g = V{};
      for (int l = 0; l < live; ++l) g[l] = grad[touched[begin + l] * d + i];
      v[i] = -(job.rate * job.c) * a * g;
      if (i < up) flat += v[i] * v[i];
    }
    const V s = vroot<V>(flat + v[up] * v[up]).root;
    const M good = (s <= 0.4 * optim::kFarthest) & (a > 0x1p-900) & (a < 0x1p900);
    const optim::Decay e(good ? s : V{});
    const V sinh = 0.5 * e.S * (2.0 + e.w), sinhc = s > 0x1p-500 ? sinh / s : splat<V>(1.0);
    const V lean = v[up] > 0.0 ? flat / vmax<V>(s + v[up], splat<V>(0x1p-1000)) : s - v[up];
    const V per_D = reciprocal<V>(e.E + lean * sinhc);
    // 1 - D with cosh s - 1 = w S/2
    return {sinhc * per_D, per_D, (v[up] * sinhc - 0.5 * e.w * e.S) * per_D, good};
  }
  bool stuck_at(int64_t begin, int live, M good) {
    for (int l = 0; l < live; ++l) {
      if (!(bits(good) >> l & 1)) job.stuck = touched[begin + l];
    }
    return job.stuck >= 0;
  }

  // The displacement is added to all the components, which keeps what the point had beyond a double; where D is far
  // from 1 the height is multiplied instead.
  void step_components() {
    constexpr int n = Space::kComponents;
    const int64_t d = this->d(), k = n * d, up = d - 1;
    V* v = at_u;
    for (int64_t begin = 0; begin < many; begin += kLanes) {
      const int live = int(std::min<int64_t>(kLanes, many - begin));
      V a = splat<V>(1.0);
      for (int l = 0; l < live; ++l) a[l] = job.points[touched[begin + l] * k + up];
      const Lift by = lift(begin, live, a, v);
      if (stuck_at(begin, live, by.good)) return;
      const M near = (by.per_D > 0.5) & (by.per_D < 2.0);
      for (int64_t i = 0; i < d; ++i) {
        V part[n], x[n + 1];
        for (int j = 0; j < n; ++j) {
          part[j] = V{};
          for (int l = 0; l < live; ++l) part[j][l] = job.points[touched[begin + l] * k + j * d + i];
        }
        x[0] = part[0];
        x[1] = i < up ? a * (v[i] * by.aside) : a * by.up;
        for (int j = 1; j < n; ++j) x[j + 1] = part[j];
        distil<n + 1, n + 1>(x);
        if (i == up && bits(!near)) {
          V y[2 * n];
          for (int j = 0; j < n; ++j) {
            const D p = two_prod<V>(part[j], by.per_D);
            y[2 * j] = p.hi;
            y[2 * j + 1] = p.lo;
          }
          distil<2 * n, 2 * n>(y);
          for (int j = 0; j < n; ++j) x[j] = near ? x[j] : y[j];
        }
        for (int j = 0; j < n; ++j) {
          for (int l = 0; l < live; ++l) job.points[touched[begin + l] * k + j * d + i] = x[j][l];
        }
      }
    }
  }

  void step_half_tiles() {
    const int64_t d = this->d(), up = d - 1;
    V* v = at_u;
    std::vector<double> shift(d);
    for (int64_t begin = 0; begin < many; begin += kLanes) {
      const int live = int(std::min<int64_t>(kLanes, many - begin));
      V a = splat<V>(1.0);
      for (int l = 0; l < live; ++l) a[l] = job.points[touched[begin + l] * job.width + up];
      const Lift by = lift(begin, live, a, v);
      if (stuck_at(begin, live, by.good)) return;
      for (int l = 0; l < live; ++l) {
        double* row = job.points + touched[begin + l] * job.width;
        for (int64_t i = 0; i < up; ++i) shift[i] = a[l] * (v[i][l] * by.aside[l]);
        const double rise = by.up[l], h = std::fabs(rise) < 0.5 ? a[l] + a[l] * rise : a[l] * by.per_D[l];
        if (!Space::settle(row, d, shift.data(), h)) job.stuck = touched[begin + l];
      }
    }
  }

  void run() {
    for (int64_t begin = 0; begin < job.count && job.stuck < 0; begin += job.batch) {
      const int64_t end = std::min(begin + job.batch, job.count);
      for (int64_t at = begin; at < end; ++at) pair(at, 1.0 / double(end - begin));
      if (!(std::abs(job.loss) <= 0x1p1000)) return;
      if constexpr (Space::kMove == Move::components) {
        step_components();
      } else if constexpr (Space::kMove == Move::half_tile) {
        step_half_tiles();
      } else {
        step();
      }
      for (int64_t r = 0; r < many; ++r) {
        const int64_t node = touched[r];
        note(node);
        seen[node] = 0;
        for (int64_t i = 0; i < d(); ++i) grad[node * d() + i] = 0.0;
      }
      many = 0;
    }
  }
};

template <class Space>
void epoch(Job& job) {
  if (Space::dim(job.width) == 2) {
    Epoch<Space, 2>(job).run();
  } else if constexpr (Space::kMove != Move::hyperboloid_tile) {
    Epoch<Space, 0>(job).run();
  }
}

}  // namespace learn
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
