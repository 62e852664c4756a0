// torch.ops.dnafast.conv1d: schemas, checks, and the way to the CPU kernel.

#include "ops/cpu/conv1d.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>

#include "ops/check.hpp"
#include "ops/compat.hpp"

namespace dnafast {
namespace {

Conv1dShape checked_shape(const Tensor& codes, const Tensor& weight, std::int64_t stride, std::int64_t padding,
                          std::int64_t dilation, bool relu, std::int64_t pool) {
  check_cpu("codes", codes);
  check_cpu("weight", weight);
  check_codes(codes);
  check_floating("weight", weight);
  if (weight.dim() != 3 || weight.size(1) != 4 || weight.size(0) < 1 || weight.size(2) < 1) {
    refuse("weight has shape ", shape_text(weight), ": expected (channels, 4, width), none of them 0");
  }
  check_at_least("stride", stride, 1);
  check_at_least("padding", padding, 0);
  check_at_least("dilation", dilation, 1);
  check_at_least("pool", pool, -1);

  Conv1dShape shape{};
  shape.sequences = codes.size(0);
  shape.length = codes.size(1);
  shape.channels = weight.size(0);
  shape.width = weight.size(2);
  shape.stride = stride;
  shape.padding = padding;
  shape.dilation = dilation;
  shape.relu = relu;
  shape.pooled = pool != 0;
  constexpr std::int64_t longest = std::numeric_limits<std::int32_t>::max();
  if (padding > longest || shape.length + 2 * padding > longest || dilation > longest || shape.width > longest) {
    refuse("codes has length ", shape.length, " with padding ", padding, ", weight width ", shape.width,
           " and dilation ", dilation, ": expected each below 2**31");
  }
  shape.extended = shape.length + 2 * padding;
  const std::int64_t reach = dilation * (shape.width - 1) + 1;
  if (shape.extended < reach) {
    refuse("codes has length ", shape.length, " with padding ", padding, ": expected at least ", reach,
           " for a weight of width ", shape.width, " and dilation ", dilation);
  }
  shape.positions = (shape.extended - reach) / stride + 1;
  if (pool > shape.positions) {
    refuse("pool=", pool, ": expected at most ", shape.positions, ", the number of positions of the convolution");
  }
  shape.window = pool == 0 ? 1 : pool == -1 ? shape.positions : pool;
  shape.outputs = shape.positions / shape.window;
  return shape;
}

Tensor empty_output(const Conv1dShape& shape, std::int64_t pool, const Tensor& like,
                    std::optional<ScalarType> dtype = std::nullopt) {
  const std::array<std::int64_t, 3> sizes{shape.sequences, shape.channels, shape.outputs};
  return torch::stable::new_empty(like, {sizes.data(), pool == -1 ? 2u : 3u}, dtype);
}

void check_output_like(const char* name, const Tensor& tensor, const Conv1dShape& shape, std::int64_t pool) {
  const bool fits = tensor.dim() == (pool == -1 ? 2 : 3) && tensor.size(0) == shape.sequences &&
                    tensor.size(1) == shape.channels && (pool == -1 || tensor.size(2) == shape.outputs);
  if (fits) return;
  refuse(name, " has shape ", shape_text(tensor), ": expected that of the output, (", shape.sequences, ", ",
         shape.channels, pool == -1 ? std::string() : ", " + std::to_string(shape.outputs), ")");
}

void check_positions(const std::int32_t* positions, const Conv1dShape& shape) {
  const std::int64_t rows = shape.sequences * shape.channels;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < shape.outputs; ++i) {
      const std::int64_t position = *positions++;
      if (position < i * shape.window || position >= (i + 1) * shape.window) {
        refuse("positions holds ", position, " for output ", i, ": expected what conv1d_forward returned");
      }
    }
  }
}

// Calls body with values of the types that are computed with and stored for a dtype that was checked.
template <class Body>
void run_as(ScalarType type, const Body& body) {
  switch (type) {
    case ScalarType::BFloat16:
      return body(float{}, Bfloat16{});
    case ScalarType::Float:
      return body(float{}, float{});
    default:
      return body(double{}, double{});
  }
}

std::tuple<Tensor, Tensor> forward_cpu(Tensor codes, Tensor weight, std::optional<Tensor> bias, std::int64_t stride,
                                       std::int64_t padding, std::int64_t dilation, bool relu, std::int64_t pool,
                                       bool track) {
  const Conv1dShape shape = checked_shape(codes, weight, stride, padding, dilation, relu, pool);
  if (bias.has_value()) {
    check_cpu("bias", *bias);
    check_same_dtype("bias", *bias, "weight", weight);
    if (bias->dim() != 1 || bias->size(0) != shape.channels) {
      refuse("bias has shape ", shape_text(*bias), ": expected (", shape.channels, ",), one value a channel");
    }
    bias = torch::stable::contiguous(widened(*bias));
  }
  codes = torch::stable::contiguous(codes);
  Tensor output = empty_output(shape, pool, weight);
  const bool tracked = track && shape.pooled;
  const std::array<std::int64_t, 1> none{0};
  Tensor positions = tracked ? empty_output(shape, pool, weight, ScalarType::Int)
                             : torch::stable::new_empty(weight, {none.data(), none.size()}, ScalarType::Int);
  if (shape.sequences == 0) return {output, positions};

  weight = torch::stable::contiguous(widened(weight));
  run_as(output.scalar_type(), [&]<class T, class Stored>(T, Stored) {
    conv1d_forward(shape, codes.const_data_ptr<std::uint8_t>(), weight.const_data_ptr<T>(),
                   bias.has_value() ? bias->const_data_ptr<T>() : nullptr,
                   static_cast<Stored*>(output.mutable_data_ptr()),
                   tracked ? positions.mutable_data_ptr<std::int32_t>() : nullptr);
  });
  return {output, positions};
}

std::tuple<Tensor, Tensor> backward_cpu(Tensor gradient, Tensor codes, Tensor weight, Tensor output, Tensor positions,
                                        std::int64_t stride, std::int64_t padding, std::int64_t dilation, bool relu,
                                        std::int64_t pool) {
  const Conv1dShape shape = checked_shape(codes, weight, stride, padding, dilation, relu, pool);
  check_cpu("gradient", gradient);
  check_cpu("output", output);
  check_cpu("positions", positions);
  check_same_dtype("gradient", gradient, "weight", weight);
  check_output_like("gradient", gradient, shape, pool);
  if (relu) {
    check_same_dtype("output", output, "weight", weight);
    check_output_like("output", output, shape, pool);
  }
  if (shape.pooled) {
    if (positions.scalar_type() != ScalarType::Int) {
      refuse("positions has dtype ", dtype_text(positions.scalar_type()), ": expected int32");
    }
    check_output_like("positions", positions, shape, pool);
  }
  gradient = torch::stable::contiguous(gradient);
  codes = torch::stable::contiguous(codes);
  output = torch::stable::contiguous(output);
  positions = torch::stable::contiguous(positions);

  const ScalarType type = weight.scalar_type();
  const ScalarType computed = type == ScalarType::BFloat16 ? ScalarType::Float : type;
  const std::array<std::int64_t, 3> weight_sizes{shape.channels, 4, shape.width};
  Tensor weight_gradient = torch::stable::new_empty(weight, {weight_sizes.data(), weight_sizes.size()}, computed);
  Tensor bias_gradient = torch::stable::new_empty(weight, {weight_sizes.data(), 1}, computed);
  if (shape.sequences == 0) {
    torch::stable::zero_(weight_gradient);
    torch::stable::zero_(bias_gradient);
    return {rounded_as(weight, weight_gradient), rounded_as(weight, bias_gradient)};
  }
  const std::int32_t* where = shape.pooled ? positions.const_data_ptr<std::int32_t>() : nullptr;
  if (where != nullptr) check_positions(where, shape);
  run_as(type, [&]<class T, class Stored>(T, Stored) {
    conv1d_backward(shape, codes.const_data_ptr<std::uint8_t>(), static_cast<const Stored*>(gradient.const_data_ptr()),
                    relu ? static_cast<const Stored*>(output.const_data_ptr()) : nullptr, where,
                    weight_gradient.mutable_data_ptr<T>(), bias_gradient.mutable_data_ptr<T>());
  });
  return {rounded_as(weight, weight_gradient), rounded_as(weight, bias_gradient)};
}

// The public operator where no gradient is asked for: no positions are kept. (The registration for autograd goes
// through conv1d_forward.)
Tensor conv1d_cpu(Tensor codes, Tensor weight, std::optional<Tensor> bias, std::int64_t stride, std::int64_t padding,
                  std::int64_t dilation, bool relu, std::int64_t pool) {
  return std::get<0>(forward_cpu(codes, weight, bias, stride, padding, dilation, relu, pool, false));
}

}  // namespace
}  // namespace dnafast

STABLE_TORCH_LIBRARY_FRAGMENT(dnafast, m) {
  m.def(
      "conv1d(Tensor codes, Tensor weight, Tensor? bias=None, int stride=1, int padding=0, int dilation=1, "
      "bool relu=False, int pool=0) -> Tensor");
  m.def(
      "conv1d_forward(Tensor codes, Tensor weight, Tensor? bias, int stride, int padding, int dilation, bool relu, "
      "int pool, bool track) -> (Tensor output, Tensor positions)");
  m.def(
      "conv1d_backward(Tensor gradient, Tensor codes, Tensor weight, Tensor output, Tensor positions, int stride, "
      "int padding, int dilation, bool relu, int pool) -> (Tensor weight_gradient, Tensor bias_gradient)");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CPU, m) {
  m.impl("conv1d", TORCH_BOX(&dnafast::conv1d_cpu));
  m.impl("conv1d_forward", TORCH_BOX(&dnafast::forward_cpu));
  m.impl("conv1d_backward", TORCH_BOX(&dnafast::backward_cpu));
}
