// torch.ops.dnafast.rnn, where no gradient is asked for. (The registration for autograd goes through
// recurrent_forward.)

#include <optional>
#include <tuple>

#include "ops/compat.hpp"
#include "ops/recurrent.hpp"

namespace dnafast {
namespace {

std::tuple<Tensor, Tensor> rnn_cpu(Tensor input, Tensor weight_ih, Tensor weight_hh, std::optional<Tensor> bias_ih,
                                   std::optional<Tensor> bias_hh, std::optional<Tensor> h0, bool relu) {
  const auto [output, h_n, c_n] =
      recurrent_layer(Cell::rnn, relu, input, weight_ih, weight_hh, bias_ih, bias_hh, h0, std::nullopt);
  return {output, h_n};
}

}  // namespace
}  // namespace dnafast

STABLE_TORCH_LIBRARY_FRAGMENT(dnafast, m) {
  m.def(
      "rnn(Tensor input, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih=None, Tensor? bias_hh=None, "
      "Tensor? h0=None, bool relu=False) -> (Tensor output, Tensor h_n)");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CPU, m) { m.impl("rnn", TORCH_BOX(&dnafast::rnn_cpu)); }
