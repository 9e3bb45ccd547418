// How many nodes each op's tape takes, a line an op, for test_tape.py.
#include <cstdio>

#include "gram/ball.h"
#include "gram/convert.h"
#include "gram/halfspace.h"
#include "gram/hyperboloid.h"
#include "scalar/quick.h"

using namespace hypgeo;
using S = Bounded<double>;

template <class Op>
void count(const char* name) {
  static Tape<S> tape;
  tape.reset();
  In<Rev<S>, Op::rows> in;
  const S some(0.3);
  for (auto& g : in.gram) leaf(g, some, tape);
  for (auto& s : in.square) leaf(s, some, tape);
  for (auto& o : in.odd) leaf(o, some, tape);
  leaf(in.number, some, tape);
  leaf(in.c, some, tape);
  Op::coef(in);
  std::printf("%s %d %d\n", name, tape.size, Tape<S>::kMost);
}

int main() {
#define OP(name, Op) count<Op>(#name);
#include "gram/ball.def"
#include "gram/convert.def"
#include "gram/halfspace.def"
#include "gram/hyperboloid.def"
#undef OP
}
