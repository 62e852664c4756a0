// The inner loops of the recurrent layers, compiled once per cell and instruction set: included by
// <cell>_<set>.cpp, which defines DNAFAST_VECTOR_BYTES, DNAFAST_CELL and DNAFAST_KERNELS (the suffix of the exported
// tables), and DNAFAST_NARROW for products in bfloat16.
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
  using C = DNAFAST_CELL;
  using Sizes = RecurrentSizes<T, C>;
  RecurrentKernels<T> kernels{};
  kernels.lanes = VectorOf<T>::lanes;
  kernels.widest = 3;
  kernels.padding = Sizes::padding;
  kernels.units = Sizes::units;
  kernels.rows = Sizes::rows;
  kernels.letters = has_lookup<T>;
  kernels.forward_scratch = &forward_scratch<T, C>;
  kernels.forward[0] = &forward<T, C, 1>;
  kernels.forward[1] = &forward<T, C, 2>;
  kernels.forward[2] = &forward<T, C, 3>;
  kernels.backward_scratch = &backward_scratch<T, C>;
  kernels.backward[0] = &backward<T, C, 1>;
  kernels.backward[1] = &backward<T, C, 2>;
  kernels.backward[2] = &backward<T, C, 3>;
  return kernels;
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
