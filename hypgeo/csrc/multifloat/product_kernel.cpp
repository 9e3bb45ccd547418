#include "product.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

extern const ProductKernel product_rows[3][8];
const ProductKernel product_rows[3][8] = HYPGEO_FORMATS(run_product);

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
