#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(dnafast, m) { (void)m; }
