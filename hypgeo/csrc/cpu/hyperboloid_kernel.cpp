#include "../gram/hyperboloid.h"
#define HYPGEO_OPS "../gram/hyperboloid.def"
#define HYPGEO_TABLE hyperboloid_kernels
#include "table.h"
