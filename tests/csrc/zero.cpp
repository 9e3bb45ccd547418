// Prints, for rows of which one is zero, the error bounds of its own square and of its square as it is framed.
#include <cstdio>

#include "gram/ball.h"
#include "gram/levels.h"

using namespace hypgeo;

struct Rows {
  double value[2];
  Lanes raw(int j, int64_t) const { return splat<Lanes>(value[j]); }
  Lanes u(int64_t) const { return splat<Lanes>(1.0); }
};

template <class Op, class R>
void show(const char* name) {
  for (const Rows& rows : {Rows{{0.3, 0.0}}, Rows{{0.0, 0.3}}, Rows{{0.3, -0.3}}, Rows{{0.3, 0.3}}}) {
    const Framed<Op, R, Rows> framed{rows};
    const Grams<Op, R> grams(framed, 3);
    for (int j = 0; j < 2; ++j) {
      std::printf("%s %g %g %g %g\n", name, total(grams.square[j].v)[0], grams.square[j].e[0],
                  total(grams.g[j * (j + 1) / 2 + j].v)[0], grams.g[j * (j + 1) / 2 + j].e[0]);
    }
  }
}

int main() {
  show<PoincareMobiusAdd, Twofold>("sum");
  show<PoincareDist, Twofold>("difference");
}
