#include "../gram/convert.h"
#include "rows.cuh"

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CUDA, m) {
#define OP(name, Op)                                       \
  m.impl(#name, TORCH_BOX((&hypgeo::Cuda<hypgeo::Op>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&hypgeo::Cuda<hypgeo::Op>::pullback)));
#include "../gram/convert.def"
#undef OP
}
