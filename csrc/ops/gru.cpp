// torch.ops.dnafast.gru, where no gradient is asked for. (The registration for autograd goes through
// recurrent_forward.)

#include <optional>
#include <tuple>

#include "ops/compat.hpp"
#include "ops/recurrent.hpp"

namespace dnafast {
namespace {

std::tuple<Tensor, Tensor> gru_cpu(Tensor input, Tensor weight_ih, Tensor weight_hh, std::optional<Tensor> bias_ih,
                                   std::optional<Tensor> bias_hh, std::optional<Tensor> h0) {
  const auto [output, h_n, c_n] =
      recurrent_layer(Cell::gru, false, input, weight_ih, weight_hh, bias_ih, bias_hh, h0, std::nullopt);
  return {output, h_n};
}

}  // namespace
}  // namespace dnafast

STABLE_TORCH_LIBRARY_FRAGMENT(dnafast, m) {
  m.def(
      "gru(Tensor input, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih=None, Tensor? bias_hh=None, "
      "Tensor? h0=None) -> (Tensor output, Tensor h_n)");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CPU, m) { m.impl("gru", TORCH_BOX(&dnafast::gru_cpu)); }
