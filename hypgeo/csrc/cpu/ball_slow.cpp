#include "../gram/ball.h"
#define HYPGEO_OPS "../gram/ball.def"
#define HYPGEO_TABLE ball_slow
#include "slow_table.h"
