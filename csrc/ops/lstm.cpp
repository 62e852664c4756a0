// torch.ops.dnafast.lstm, where no gradient is asked for. (The registration for autograd goes through
// recurrent_forward.)

#include <optional>
#include <tuple>

#include "ops/compat.hpp"
#include "ops/recurrent.hpp"

namespace dnafast {
namespace {

std::tuple<Tensor, Tensor, Tensor> lstm_cpu(Tensor input, Tensor weight_ih, Tensor weight_hh,
                                            std::optional<Tensor> bias_ih, std::optional<Tensor> bias_hh,
                                            std::optional<Tensor> h0, std::optional<Tensor> c0) {
  return recurrent_layer(Cell::lstm, false, input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0);
}

}  // namespace
}  // namespace dnafast

STABLE_TORCH_LIBRARY_FRAGMENT(dnafast, m) {
  m.def(
      "lstm(Tensor input, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih=None, Tensor? bias_hh=None, "
      "Tensor? h0=None, Tensor? c0=None) -> (Tensor output, Tensor h_n, Tensor c_n)");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CPU, m) { m.impl("lstm", TORCH_BOX(&dnafast::lstm_cpu)); }
