#include "lines.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

extern const LinesKernel sum_lines[3][8];
const LinesKernel sum_lines[3][8] = HYPGEO_FORMATS(run_sum);
extern const LinesKernel cumsum_lines[3][8];
const LinesKernel cumsum_lines[3][8] = HYPGEO_FORMATS(run_cumsum);
extern const LinesKernel prod_lines[3][8];
const LinesKernel prod_lines[3][8] = HYPGEO_FORMATS(run_prod);

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
