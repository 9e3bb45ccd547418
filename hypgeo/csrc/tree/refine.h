// Raising a graph's mean average precision over tree metrics: which tree, with which inner nodes, and how long its edges.
//
// A tree with long enough edges embeds with distances in proportion to its path lengths (build.h), so the ranks that an
// embedding can reach are those of a weighted tree, its nodes those of the graph and perhaps some hidden ones (Steiner
// points).  The search is simulated annealing (Kirkpatrick, Gelatt, Vecchi 1983).  For an edge of the graph that the tree
// lacks, the path between its ends closes a cycle; a move changes lengths along it, takes one edge out and joins the two parts
// elsewhere, or puts a hidden node on an edge and hangs a neighbour there.  The gain is the change in summed average
// precision of the nodes that a move can touch.  Distances closer than `margin` count as tied, against us, so that the small
// deviations of the embedding from the tree metric cannot undo what was won.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <unordered_map>
#include <vector>

namespace hypgeo::tree {

constexpr double kShort = 0.1, kLong = 2.5;  // edge lengths tried, in units of the graph's own
constexpr double kLocal = 1.6;               // a node with only near neighbours feels changes up to here

class Refiner {
 public:
  // edges (m, 2), length (m,): a tree over nodes 0..n-1 of the graph (compressed rows ptr, nbr) and hidden nodes n..m, the first
  // `stars` of which are centres of cycles: the first spokes[k] edges given at star k, in cyclic order, stay there, and at equal
  // lengths neighbours along the cycle are nearer than the rest (the angle between their edges is least).
  Refiner(const int64_t* edges, const double* length, int64_t m, int64_t n, const int64_t* spokes, int64_t stars, const int64_t* ptr,
          const int64_t* nbr, double margin, int64_t visits)
      : n_(n), stars_(n + stars), spokes_(spokes), ptr_(ptr), nbr_(nbr), margin_(margin), visits_(visits), near_(m + 1), watch_(m + 1), precision_(n), reach_(n), mark_(n, -1),
        seen_(n, -1) {
    for (int64_t e = 0; e < m; ++e) link({edges[2 * e], edges[2 * e + 1], length[e]});
    for (int64_t u = 0; u < n; ++u) look(u);
  }

  double total() const { return std::accumulate(precision_.begin(), precision_.end(), 0.0); }

  // One visit to every pair (a, b), `tries` moves at each, the temperature falling from `hot` to `cold`; returns the moves made.
  int64_t anneal(const int64_t* pairs, int64_t count, int64_t tries, double hot, double cold, int64_t longest, uint64_t seed) {
    random_.seed(seed);
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    for (int64_t k = count - 1; k > 0; --k) std::swap(order[k], order[below(k + 1)]);
    int64_t made = 0;
    for (int64_t k = 0; k < count; ++k) {
      const double temperature = hot + (cold - hot) * double(k) / double(count);
      const int64_t a = pairs[2 * order[k]], b = pairs[2 * order[k] + 1];
      std::vector<int64_t> path = between(a, b, longest);
      for (int64_t t = 0; t < tries && path.size() > 1; ++t) {
        const size_t nodes = near_.size();
        bool rewired = false;
        const Move move = propose(path, rewired);
        if (accept(move, path, temperature)) {
          ++made;
          if (rewired) path = between(a, b, longest);
        } else {
          near_.resize(nodes), watch_.resize(nodes);
        }
      }
    }
    return made;
  }

  // The tree without hidden nodes that serve nothing: (from, to, length) triples, hidden nodes numbered from n on.
  void tree(std::vector<int64_t>& edges, std::vector<double>& lengths) {
    for (bool again = true; again;) {
      again = false;
      for (int64_t s = stars_; s < int64_t(near_.size()); ++s) {
        if (near_[s].size() == 1) {
          unlink(s, near_[s][0].to), again = true;
        } else if (near_[s].size() == 2) {
          const Arc p = near_[s][0], q = near_[s][1];
          unlink(s, p.to), unlink(s, q.to);
          link({p.to, q.to, p.length + q.length});
          again = true;
        }
      }
    }
    std::vector<int64_t> name(near_.size());
    int64_t next = n_;
    for (int64_t u = 0; u < int64_t(near_.size()); ++u) name[u] = u < n_ ? u : near_[u].empty() ? -1 : next++;
    auto write = [&](int64_t u, const Arc& x) { edges.push_back(name[u]), edges.push_back(name[x.to]), lengths.push_back(x.length); };
    for (int64_t s = n_; s < stars_; ++s)  // spokes first, in cyclic order
      for (int64_t k = 0; k < spokes_[s - n_]; ++k) write(s, near_[s][k]);
    for (int64_t u = 0; u < int64_t(near_.size()); ++u)
      for (const Arc& x : near_[u])
        if (u < x.to && !spoke(u, x.to)) write(u, x);
  }

 private:
  struct Arc {
    int64_t to;
    double length;
  };
  struct Edge {
    int64_t a, b;
    double length;
  };
  struct Move {
    std::vector<Edge> out, in;
  };
  struct Front {
    double d;
    int64_t node, from;
    bool operator<(const Front& o) const { return d > o.d; }
  };
  struct Look {
    double precision, reach;
  };

  const int64_t n_, stars_, *spokes_, *ptr_, *nbr_;
  const double margin_;
  const int64_t visits_;
  std::vector<std::vector<Arc>> near_;
  std::vector<std::vector<int32_t>> watch_;  // nodes that passed this one on their way to a neighbour that is far off
  std::vector<double> precision_, reach_;
  std::vector<int64_t> mark_, seen_;
  int64_t stamp_ = 0;
  std::vector<int64_t> visited_;
  std::vector<Front> heap_;  // scratch of `measure`
  std::vector<double> own_, others_;
  std::mt19937_64 random_;

  bool star(int64_t u) const { return u >= n_ && u < stars_; }
  bool spoke(int64_t a, int64_t b) const {
    for (int64_t s : {a, b})
      if (star(s))
        for (int64_t k = 0; k < spokes_[s - n_]; ++k)
          if (near_[s][k].to == a + b - s) return true;
    return false;
  }
  double uniform() { return double(random_() >> 11) * 0x1p-53; }
  int64_t below(int64_t k) { return int64_t(random_() % uint64_t(k)); }

  void link(const Edge& e) {
    near_[e.a].push_back({e.b, e.length});
    near_[e.b].push_back({e.a, e.length});
  }
  void unlink(int64_t a, int64_t b) {
    std::erase_if(near_[a], [b](const Arc& x) { return x.to == b; });
    std::erase_if(near_[b], [a](const Arc& x) { return x.to == a; });
  }
  double length(int64_t a, int64_t b) const {
    for (const Arc& x : near_[a])
      if (x.to == b) return x.length;
    return -1;  // no such edge
  }

  // half the time near the old length, half the time anywhere
  double other(double was) {
    if (random_() & 1) return std::clamp(was * std::exp(0.6 * (uniform() - 0.5)), kShort, kLong);
    return kShort * std::pow(kLong / kShort, uniform());
  }

  void stretch(Move& move, int64_t a, int64_t b, double now) const {
    move.out.push_back({a, b, length(a, b)});
    move.in.push_back({a, b, now});
  }

  Move propose(const std::vector<int64_t>& path, bool& rewired) {
    Move move;
    const int64_t size = int64_t(path.size()), i = below(size - 1), kind = below(14);
    const int64_t p = path[i], q = path[i + 1];
    if (kind > 4 && spoke(p, q)) return move;
    const double was = length(p, q);
    if (kind < 3) {  // one length on the path
      stretch(move, p, q, other(was));
    } else if (kind == 3) {  // one length beside it
      const int64_t v = path[below(size)];
      const Arc a = near_[v][below(int64_t(near_[v].size()))];
      stretch(move, v, a.to, other(a.length));
    } else if (kind == 4) {  // all leaf edges of a node
      const int64_t v = path[below(size)];
      const double l = other(1.0);
      for (const Arc& a : near_[v])
        if (near_[a.to].size() == 1) stretch(move, v, a.to, l);
    } else if (kind < 8) {  // cut the path and join its halves elsewhere
      const int64_t a = path[below(i + 1)], b = path[i + 1 + below(size - 1 - i)];
      rewired = true;
      move.out.push_back({p, q, was});
      move.in.push_back({a, b, other(1.0)});
    } else if (kind >= 12) {  // past a hidden node: hang on it what hangs on one of its neighbours
      const int64_t end = below(2) ? i : i + 1, w = end == i ? i + 1 : i, s = end == i ? i - 1 : i + 2;
      if (s < 0 || s >= size || path[s] < n_) return move;
      rewired = true;
      move.out.push_back({path[end], path[w], was});
      move.in.push_back({path[s], path[w], other(was)});
    } else {  // a hidden node on the edge, and a neighbour of one end hung there
      rewired = true;
      const bool first = random_() & 1;
      const int64_t end = first ? p : q;
      int64_t w = -1;
      if (kind < 10) {
        if (first ? i > 0 : i + 2 < size) w = first ? path[i - 1] : path[i + 2];
      } else if (const int64_t far = first ? q : p; far < n_ && ptr_[far] < ptr_[far + 1]) {  // one that wants to be near the other end
        for (int64_t t = 0; t < 8 && w < 0; ++t) {
          const int64_t z = nbr_[ptr_[far] + below(ptr_[far + 1] - ptr_[far])];
          if (z != p && z != q && length(end, z) >= 0) w = z;
        }
      }
      if (w < 0 || spoke(end, w)) return move;
      const int64_t s = int64_t(near_.size());
      near_.emplace_back(), watch_.emplace_back();
      const double f = 0.1 + 0.8 * uniform();
      move.out = {{p, q, was}, {end, w, length(end, w)}};
      move.in = {{p, s, std::max(kShort / 2, f * was)}, {s, q, std::max(kShort / 2, (1 - f) * was)}, {s, w, other(length(end, w))}};
    }
    return move;
  }

  // Average precision of u from the nearest `visits_` nodes; neighbours beyond count nothing.
  Look measure(int64_t u) {
    const int64_t degree = ptr_[u + 1] - ptr_[u];
    visited_.clear();
    if (!degree) return {0, 0};
    for (int64_t e = ptr_[u]; e < ptr_[u + 1]; ++e) mark_[nbr_[e]] = u;
    std::vector<Front>& heap = heap_;
    std::vector<double>&own = own_, &others = others_;
    heap.clear(), own.clear(), others.clear();
    auto open = [&](int64_t v, int64_t from, double d) {
      const std::vector<Arc>& arcs = near_[v];
      const int64_t wheel = star(v) ? spokes_[v - n_] : 0;
      int64_t at = 0;
      while (at < wheel && arcs[at].to != from) ++at;
      for (int64_t k = 0; k < int64_t(arcs.size()); ++k) {
        if (arcs[k].to == from) continue;
        const int64_t gap = std::abs(k - at);
        const double apart = at < wheel && k < wheel && gap > 1 && gap + 1 < wheel ? 1.001 * margin_ : 0.0;
        heap.push_back({d + arcs[k].length + apart, arcs[k].to, v}), std::push_heap(heap.begin(), heap.end());
      }
    };
    open(u, -1, 0);
    const int64_t most = visits_ + 2 * degree;
    while (!heap.empty() && int64_t(visited_.size()) < most) {
      const Front f = heap.front();
      if (int64_t(own.size()) == degree && f.d > own.back() + margin_) break;
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      visited_.push_back(f.node);
      if (f.node < n_) (mark_[f.node] == u ? own : others).push_back(f.d);
      open(f.node, f.from, f.d);
    }
    double sum = 0;
    size_t ahead = 0;
    for (size_t i = 0; i < own.size(); ++i) {
      while (ahead < others.size() && others[ahead] <= own[i] + margin_) ++ahead;
      sum += double(i + 1) / double(i + 1 + ahead);
    }
    return {sum / double(degree), own.empty() ? 0 : own.back() + margin_};
  }

  void look(int64_t u) {
    const Look l = measure(u);
    precision_[u] = l.precision;
    reach_[u] = l.reach;
    if (l.reach > kLocal)
      for (int64_t v : visited_)
        if (watch_[v].empty() || watch_[v].back() != u) watch_[v].push_back(int32_t(u));
  }

  void add(int64_t u, std::vector<int64_t>& out) {
    if (u < n_ && seen_[u] != stamp_) seen_[u] = stamp_, out.push_back(u);
  }

  // nodes whose precision may change when an edge ends here or ceases to
  void around(int64_t start, std::vector<int64_t>& out) {
    for (int32_t u : watch_[start]) add(u, out);
    std::vector<Front> stack{{0, start, -1}};
    while (!stack.empty()) {
      const Front f = stack.back();
      stack.pop_back();
      if (f.node < n_ && f.d <= reach_[f.node]) add(f.node, out);
      for (const Arc& x : near_[f.node])
        if (x.to != f.from && f.d + x.length <= kLocal) stack.push_back({f.d + x.length, x.to, f.node});
    }
  }
  void around(const std::vector<Edge>& edges, std::vector<int64_t>& out) {
    for (const Edge& e : edges) around(e.a, out), around(e.b, out);
  }

  void make(const std::vector<Edge>& out, const std::vector<Edge>& in) {
    auto stays = [&](size_t k) { return k < out.size() && k < in.size() && out[k].a == in[k].a && out[k].b == in[k].b; };
    for (size_t k = 0; k < out.size(); ++k)
      if (!stays(k)) unlink(out[k].a, out[k].b);
    for (size_t k = 0; k < in.size(); ++k) {
      if (!stays(k)) {
        link(in[k]);
        continue;
      }
      for (auto [a, b] : {std::pair(in[k].a, in[k].b), std::pair(in[k].b, in[k].a)})  // in place: the order round a star stays
        for (Arc& x : near_[a])
          if (x.to == b) x.length = in[k].length;
    }
  }

  bool accept(const Move& move, const std::vector<int64_t>& path, double temperature) {
    if (move.in.empty()) return false;
    ++stamp_;
    std::vector<int64_t> nodes;
    for (int64_t u : path) add(u, nodes);
    around(move.out, nodes);
    make(move.out, move.in);
    around(move.in, nodes);
    double gain = 0;
    for (int64_t u : nodes) gain += measure(u).precision - precision_[u];
    if (gain < 0 && (temperature <= 0 || uniform() >= std::exp(gain / temperature))) {
      make(move.in, move.out);
      return false;
    }
    for (int64_t u : nodes) look(u);
    return true;
  }

  // the tree path from a to b, empty when it has more than `longest` edges
  std::vector<int64_t> between(int64_t a, int64_t b, int64_t longest) {
    std::unordered_map<int64_t, int64_t> before{{a, -1}};
    std::vector<int64_t> layer{a}, next;
    for (int64_t k = 0; k < longest && !layer.empty(); ++k) {
      next.clear();
      for (int64_t v : layer)
        for (const Arc& x : near_[v])
          if (before.emplace(x.to, v).second) next.push_back(x.to);
      if (before.count(b)) {
        std::vector<int64_t> path{b};
        while (path.back() != a) path.push_back(before[path.back()]);
        return path;
      }
      layer.swap(next);
    }
    return {};
  }
};

}  // namespace hypgeo::tree
