// The inner loops of the recurrent layers, compiled once per cell and instruction set: included by
// <cell>_<set>.cpp, which defines DNAFAST_VECTOR_BYTES, DNAFAST_CELL and DNAFAST_KERNELS (the suffix of the exported
// tables).
//
// Everything here has internal linkage and calls no inline function of the standard library: the linker would otherwise
// keep one copy for all, perhaps the one that old processors cannot run.

#include <cstdint>

#include "ops/cpu/recurrent.hpp"
#include "ops/cpu/recurrent_backward.hpp"
#include "ops/cpu/recurrent_forward.hpp"

namespace dnafast {
namespace {

template <class T>
constexpr RecurrentKernels<T> recurrent_kernels() {
  using Sizes = RecurrentSizes<T, DNAFAST_CELL>;
  return {VectorOf<T>::lanes,
          3,
          Sizes::padding,
          Sizes::units,
          Sizes::rows,
          has_lookup<T>,
          &forward_scratch<T, DNAFAST_CELL>,
          &backward_scratch<T, DNAFAST_CELL>,
          {&forward<T, DNAFAST_CELL, 1>, &forward<T, DNAFAST_CELL, 2>, &forward<T, DNAFAST_CELL, 3>},
          {&backward<T, DNAFAST_CELL, 1>, &backward<T, DNAFAST_CELL, 2>, &backward<T, DNAFAST_CELL, 3>}};
}

}  // namespace

extern const RecurrentKernels<float> DNAFAST_KERNELS(float);
const RecurrentKernels<float> DNAFAST_KERNELS(float) = recurrent_kernels<float>();

#if DNAFAST_VECTOR_BYTES == 16
// In float64 gradients are checked, not trained with: one instruction set does.
extern const RecurrentKernels<double> DNAFAST_KERNELS(double);
const RecurrentKernels<double> DNAFAST_KERNELS(double) = recurrent_kernels<double>();
#endif

}  // namespace dnafast
