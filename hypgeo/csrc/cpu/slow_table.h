// The same in arbitrary precision: define HYPGEO_OPS and HYPGEO_TABLE before.
#include "slow.h"

namespace hypgeo {

extern const SlowKernels HYPGEO_TABLE[];
const SlowKernels HYPGEO_TABLE[] = {
#define OP(name, Op)                                     \
  {{&forward_slow<Op, float>, &forward_slow<Op, double>}, \
   {&backward_slow<Op, float>, &backward_slow<Op, double>}},
#include HYPGEO_OPS
#undef OP
};

}  // namespace hypgeo
