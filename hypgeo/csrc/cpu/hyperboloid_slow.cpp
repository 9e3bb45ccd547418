#include "../gram/hyperboloid.h"
#define HYPGEO_OPS "../gram/hyperboloid.def"
#define HYPGEO_TABLE hyperboloid_slow
#include "slow_table.h"
