// One recurrent layer on the CPU, for the operators rnn, gru and lstm: checks, and the way to the kernel.
#pragma once

#include <optional>
#include <tuple>

#include "ops/compat.hpp"
#include "ops/cpu/recurrent.hpp"

namespace dnafast {

// output (N, L, D * H), h_n (D, N, H), c_n (the same, or empty where the cell has none). Weights of 16 bits are
// computed with in float32.
std::tuple<Tensor, Tensor, Tensor> recurrent_layer(Cell cell, bool relu, Tensor input, Tensor weight_ih,
                                                   Tensor weight_hh, std::optional<Tensor> bias_ih,
                                                   std::optional<Tensor> bias_hh, std::optional<Tensor> h0,
                                                   std::optional<Tensor> c0);

}  // namespace dnafast
