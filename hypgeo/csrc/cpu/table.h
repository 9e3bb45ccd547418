// One table of kernels from a list of ops: define HYPGEO_OPS (the .def file) and HYPGEO_TABLE (its name) before.
#include "rows.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

extern const Kernels HYPGEO_TABLE[];
const Kernels HYPGEO_TABLE[] = {
#define OP(name, Op)                                     \
  {{&forward_rows<Op, float>, &forward_rows<Op, double>}, \
   {&backward_rows<Op, float>, &backward_rows<Op, double>}},
#include HYPGEO_OPS
#undef OP
};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
