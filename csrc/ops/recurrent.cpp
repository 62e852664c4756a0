// torch.ops.dnafast.recurrent_forward and recurrent_backward: schemas, checks, and the way to the CPU kernel. The
// public operators rnn, gru and lstm, each in the file of its name, go through them where gradients are asked for.

#include "ops/recurrent.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/check.hpp"
#include "ops/cpu/instruction_set.hpp"
#include "ops/huge_pages.hpp"

namespace dnafast {
namespace {

using Sizes = std::vector<std::int64_t>;

std::string sizes_text(const Sizes& sizes) {
  std::string text = "(";
  for (const std::int64_t size : sizes) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

void check_sizes(const char* name, const Tensor& tensor, const Sizes& sizes, const char* meaning) {
  bool fits = tensor.dim() == static_cast<std::int64_t>(sizes.size());
  for (std::size_t i = 0; fits && i < sizes.size(); ++i) fits = tensor.size(static_cast<std::int64_t>(i)) == sizes[i];
  if (!fits) refuse(name, " has shape ", shape_text(tensor), ": expected ", sizes_text(sizes), ", ", meaning);
}

void check_state(const char* name, const std::optional<Tensor>& state, const RecurrentShape& shape,
                 const Tensor& weight_ih) {
  if (!state.has_value()) return;
  check_cpu(name, *state);
  check_same_dtype(name, *state, "weight_ih", weight_ih);
  check_sizes(name, *state, {shape.directions, shape.sequences, shape.hidden}, "(directions, sequences, hidden)");
}

// Contiguous, and where pairs of bfloat16 are read from it as one, on their boundary.
Tensor of_pairs(const Tensor& tensor) {
  const Tensor whole = torch::stable::contiguous(tensor);
  const auto address = reinterpret_cast<std::uintptr_t>(whole.const_data_ptr());
  return address % (2 * whole.element_size()) == 0 ? whole : torch::stable::clone(whole);
}

// Zeros, or so many that they are no more, at the end of the last dimension of three.
Tensor with_columns(const Tensor& tensor, std::int64_t columns) {
  const std::int64_t missing = columns - tensor.size(2);
  if (missing == 0) return tensor;
  if (missing > 0) {
    const std::array<std::int64_t, 2> at_the_end{0, missing};
    return torch::stable::pad(tensor, {at_the_end.data(), at_the_end.size()});
  }
  Tensor whole = tensor;
  return torch::stable::contiguous(torch::stable::narrow(whole, 2, 0, columns));
}

// Arguments of a layer as the schema has them, from here on contiguous; of bfloat16 the parameters widened, and the
// dense input too, or filled up with zeros to the pairs that the kernel for it needs.
struct Arguments {
  Tensor input, weight_ih, weight_hh;
  std::optional<Tensor> bias_ih, bias_hh;

  bool codes() const { return input.scalar_type() == ScalarType::Byte; }

  RecurrentShape checked(Cell cell, bool relu) {
    check_cpu("input", input);
    check_cpu("weight_ih", weight_ih);
    check_cpu("weight_hh", weight_hh);
    check_floating("weight_ih", weight_ih);
    const ScalarType type = weight_ih.scalar_type();
    check_same_dtype("weight_hh", weight_hh, "weight_ih", weight_ih);
    RecurrentShape shape{};
    shape.cell = cell;
    shape.relu = relu;
    const std::int64_t gates = shape.gates();
    if (weight_hh.dim() != 3 || weight_hh.size(0) < 1 || weight_hh.size(0) > 2 || weight_hh.size(2) < 1 ||
        weight_hh.size(1) != gates * weight_hh.size(2)) {
      refuse("weight_hh has shape ", shape_text(weight_hh), ": expected (directions, ", gates,
             " * hidden, hidden), one or two directions");
    }
    shape.directions = weight_hh.size(0);
    shape.hidden = weight_hh.size(2);
    check_input(shape);
    check_sizes("weight_ih", weight_ih, {shape.directions, gates * shape.hidden, shape.inputs},
                "(directions, gates * hidden, inputs)");
    if (bias_ih.has_value() != bias_hh.has_value()) {
      refuse(bias_ih.has_value() ? "bias_hh" : "bias_ih", " is missing: expected both biases or none");
    }
    if (bias_ih.has_value()) {
      check_bias("bias_ih", *bias_ih, shape);
      check_bias("bias_hh", *bias_hh, shape);
      bias_ih = torch::stable::contiguous(widened(*bias_ih));
      bias_hh = torch::stable::contiguous(widened(*bias_hh));
    }
    shape.narrow = type == ScalarType::BFloat16 && shape.hidden % 2 == 0 && multiplies_bfloat16();
    weight_ih = widened(weight_ih);
    if (!shape.narrow) {
      input = torch::stable::contiguous(widened(input));
    } else if (codes()) {
      input = torch::stable::contiguous(input);
    } else {
      shape.inputs = std::max(shape.inputs + shape.inputs % 2, recurrent_few_inputs + 2);
      input = of_pairs(with_columns(input, shape.inputs));
      weight_ih = with_columns(weight_ih, shape.inputs);
    }
    weight_ih = torch::stable::contiguous(weight_ih);
    weight_hh = torch::stable::contiguous(widened(weight_hh));
    return shape;
  }

  template <class T>
  RecurrentParameters<T> parameters() const {
    return {weight_ih.const_data_ptr<T>(), weight_hh.const_data_ptr<T>(),
            bias_ih.has_value() ? bias_ih->const_data_ptr<T>() : nullptr,
            bias_hh.has_value() ? bias_hh->const_data_ptr<T>() : nullptr};
  }

  template <class T>
  void set_input(RecurrentTile<T>& tile) const {
    if (codes()) {
      tile.codes = input.const_data_ptr<std::uint8_t>();
    } else {
      tile.dense = static_cast<const T*>(input.const_data_ptr());
    }
  }

 private:
  void check_input(RecurrentShape& shape) const {
    if (codes()) {
      if (input.dim() != 2) {
        refuse("input has shape ", shape_text(input), ": expected (sequences, length) of base codes uint8");
      }
      shape.inputs = 4;
    } else {
      if (input.scalar_type() != weight_ih.scalar_type()) {
        refuse("input has dtype ", dtype_text(input.scalar_type()),
               ": expected uint8 base codes or that of weight_ih, ", dtype_text(weight_ih.scalar_type()));
      }
      if (input.dim() != 3 || input.size(2) < 1) {
        refuse("input has shape ", shape_text(input), ": expected (sequences, length, features), at least one feature");
      }
      shape.inputs = input.size(2);
    }
    shape.sequences = input.size(0);
    shape.length = input.size(1);
    if (shape.length < 1) refuse("input has shape ", shape_text(input), ": expected a length of at least 1");
  }

  void check_bias(const char* name, const Tensor& bias, const RecurrentShape& shape) const {
    check_cpu(name, bias);
    check_same_dtype(name, bias, "weight_ih", weight_ih);
    check_sizes(name, bias, {shape.directions, shape.gates() * shape.hidden}, "(directions, gates * hidden)");
  }
};

Tensor empty(const Tensor& like, const Sizes& sizes) {
  Tensor tensor = torch::stable::new_empty(like, {sizes.data(), sizes.size()});
  prefer_huge_pages(tensor);
  return tensor;
}

Sizes state_sizes(const RecurrentShape& shape, bool there = true) {
  return there ? Sizes{shape.directions, shape.sequences, shape.hidden} : Sizes{0};
}

Sizes kept_sizes(const RecurrentShape& shape) {
  return {shape.directions, (shape.length + recurrent_stretch - 1) / recurrent_stretch, shape.states(), shape.hidden,
          shape.sequences};
}

template <class T>
const T* data_of(const std::optional<Tensor>& tensor) {
  return tensor.has_value() ? tensor->const_data_ptr<T>() : nullptr;
}

template <class T>
T* data_of(Tensor& tensor, bool there) {
  return there ? tensor.mutable_data_ptr<T>() : nullptr;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> run_forward(Cell cell, bool relu, Arguments arguments,
                                                       std::optional<Tensor> h0, std::optional<Tensor> c0, bool keep) {
  const Tensor given = arguments.weight_ih;
  const RecurrentShape shape = arguments.checked(cell, relu);
  const Tensor& like = arguments.weight_ih;
  const bool has_c = cell == Cell::lstm;
  check_state("h0", h0, shape, given);
  check_state("c0", c0, shape, given);
  if (c0.has_value() && !has_c) refuse("c0 is given: expected none, as only an lstm has a second state");
  if (h0.has_value()) h0 = torch::stable::contiguous(widened(*h0));
  if (c0.has_value()) c0 = torch::stable::contiguous(widened(*c0));
  Tensor output = empty(shape.narrow ? given : like, {shape.sequences, shape.length, shape.directions * shape.hidden});
  Tensor h_n = empty(like, state_sizes(shape));
  Tensor c_n = empty(like, state_sizes(shape, has_c));
  Tensor kept = empty(like, keep ? kept_sizes(shape) : Sizes{0});
  const auto run = [&]<class T>(T) {
    RecurrentTile<T> whole{};
    arguments.set_input(whole);
    whole.h0 = data_of<T>(h0);
    whole.c0 = data_of<T>(c0);
    whole.output = static_cast<T*>(output.mutable_data_ptr());
    whole.h_n = h_n.mutable_data_ptr<T>();
    whole.c_n = data_of<T>(c_n, has_c);
    whole.kept = data_of<T>(kept, keep);
    recurrent_forward<T>(shape, arguments.parameters<T>(), whole);
  };
  if (shape.sequences != 0) like.scalar_type() == ScalarType::Float ? run(float{}) : run(double{});
  return {rounded_as(given, output), rounded_as(given, h_n), rounded_as(given, c_n), kept};
}

struct Kind {
  Cell cell;
  bool relu;
};

Kind kind_of(const std::string& cell) {
  if (cell == "lstm") return {Cell::lstm, false};
  if (cell == "gru") return {Cell::gru, false};
  if (cell == "rnn_tanh") return {Cell::rnn, false};
  if (cell == "rnn_relu") return {Cell::rnn, true};
  refuse("cell=", cell, ": expected lstm, gru, rnn_tanh or rnn_relu");
}

std::tuple<Tensor, Tensor, Tensor, Tensor> forward_cpu(Tensor input, Tensor weight_ih, Tensor weight_hh,
                                                       std::optional<Tensor> bias_ih, std::optional<Tensor> bias_hh,
                                                       std::optional<Tensor> h0, std::optional<Tensor> c0,
                                                       std::string cell, bool keep) {
  const Kind kind = kind_of(cell);
  return run_forward(kind.cell, kind.relu, {input, weight_ih, weight_hh, bias_ih, bias_hh}, h0, c0, keep);
}

// A gradient, contiguous; checked to be like what it is the gradient of.
void check_gradient(const char* name, std::optional<Tensor>& gradient, const Sizes& sizes, const Tensor& like,
                    bool narrow) {
  if (!gradient.has_value()) return;
  check_cpu(name, *gradient);
  check_same_dtype(name, *gradient, "weight_ih", like);
  check_sizes(name, *gradient, sizes, "the shape of what it is the gradient of");
  gradient = narrow ? of_pairs(*gradient) : torch::stable::contiguous(widened(*gradient));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward_cpu(
    std::optional<Tensor> output_gradient, std::optional<Tensor> h_n_gradient, std::optional<Tensor> c_n_gradient,
    Tensor input, Tensor weight_ih, Tensor weight_hh, std::optional<Tensor> bias_ih, std::optional<Tensor> bias_hh,
    Tensor kept, std::string cell, bool input_gradient) {
  const Kind kind = kind_of(cell);
  Arguments arguments{input, weight_ih, weight_hh, bias_ih, bias_hh};
  const RecurrentShape shape = arguments.checked(kind.cell, kind.relu);
  const Tensor& like = arguments.weight_ih;
  const bool has_c = kind.cell == Cell::lstm;
  check_gradient("output_gradient", output_gradient, {shape.sequences, shape.length, shape.directions * shape.hidden},
                 weight_ih, shape.narrow);
  check_gradient("h_n_gradient", h_n_gradient, state_sizes(shape), weight_ih, false);
  if (has_c) check_gradient("c_n_gradient", c_n_gradient, state_sizes(shape), weight_ih, false);
  check_cpu("kept", kept);
  if (kept.scalar_type() != like.scalar_type()) {
    refuse("kept has dtype ", dtype_text(kept.scalar_type()), ": expected ", dtype_text(like.scalar_type()));
  }
  check_sizes("kept", kept, kept_sizes(shape), "what recurrent_forward returned");
  kept = torch::stable::contiguous(kept);
  const bool wanted = input_gradient && !arguments.codes();

  Tensor of_input =
      empty(shape.narrow ? weight_ih : like, wanted ? Sizes{shape.sequences, shape.length, shape.inputs} : Sizes{0});
  const std::int64_t rows = shape.gates() * shape.hidden;
  Tensor of_weight_ih = empty(like, {shape.directions, rows, shape.inputs});
  Tensor of_weight_hh = empty(like, {shape.directions, rows, shape.hidden});
  Tensor of_bias_ih = empty(like, {shape.directions, rows});
  Tensor of_bias_hh = empty(like, {shape.directions, rows});
  Tensor of_h0 = empty(like, state_sizes(shape));
  Tensor of_c0 = empty(like, state_sizes(shape, has_c));
  if (shape.sequences == 0) {
    for (Tensor* tensor : {&of_weight_ih, &of_weight_hh, &of_bias_ih, &of_bias_hh}) torch::stable::zero_(*tensor);
  }
  const auto run = [&]<class T>(T) {
    RecurrentTile<T> whole{};
    arguments.set_input(whole);
    whole.kept = kept.mutable_data_ptr<T>();
    if (output_gradient.has_value()) {
      whole.output_gradient = static_cast<const T*>(output_gradient->const_data_ptr());
    }
    whole.h_n_gradient = data_of<T>(h_n_gradient);
    whole.c_n_gradient = has_c ? data_of<T>(c_n_gradient) : nullptr;
    whole.input_gradient = wanted ? static_cast<T*>(of_input.mutable_data_ptr()) : nullptr;
    whole.h0_gradient = of_h0.mutable_data_ptr<T>();
    whole.c0_gradient = data_of<T>(of_c0, has_c);
    recurrent_backward<T>(shape, arguments.parameters<T>(), whole,
                          {of_weight_ih.mutable_data_ptr<T>(), of_weight_hh.mutable_data_ptr<T>(),
                           of_bias_ih.mutable_data_ptr<T>(), of_bias_hh.mutable_data_ptr<T>()});
  };
  if (shape.sequences != 0) like.scalar_type() == ScalarType::Float ? run(float{}) : run(double{});
  if (shape.inputs != weight_ih.size(2)) {
    if (wanted) of_input = with_columns(of_input, weight_ih.size(2));
    of_weight_ih = with_columns(of_weight_ih, weight_ih.size(2));
  }
  const auto rounded = [&](const Tensor& tensor) { return rounded_as(weight_ih, tensor); };
  return {rounded(of_input),   rounded(of_weight_ih), rounded(of_weight_hh), rounded(of_bias_ih),
          rounded(of_bias_hh), rounded(of_h0),        rounded(of_c0)};
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> recurrent_layer(Cell cell, bool relu, Tensor input, Tensor weight_ih,
                                                   Tensor weight_hh, std::optional<Tensor> bias_ih,
                                                   std::optional<Tensor> bias_hh, std::optional<Tensor> h0,
                                                   std::optional<Tensor> c0) {
  const auto [output, h_n, c_n, kept] =
      run_forward(cell, relu, {input, weight_ih, weight_hh, bias_ih, bias_hh}, h0, c0, false);
  return {output, h_n, c_n};
}

}  // namespace dnafast

STABLE_TORCH_LIBRARY_FRAGMENT(dnafast, m) {
  m.def(
      "recurrent_forward(Tensor input, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, "
      "Tensor? h0, Tensor? c0, str cell, bool keep) -> (Tensor output, Tensor h_n, Tensor c_n, Tensor kept)");
  m.def(
      "recurrent_backward(Tensor? output_gradient, Tensor? h_n_gradient, Tensor? c_n_gradient, Tensor input, "
      "Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, Tensor kept, str cell, "
      "bool input_gradient) -> (Tensor input, Tensor weight_ih, Tensor weight_hh, Tensor bias_ih, Tensor bias_hh, "
      "Tensor h0, Tensor c0)");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CPU, m) {
  m.impl("recurrent_forward", TORCH_BOX(&dnafast::forward_cpu));
  m.impl("recurrent_backward", TORCH_BOX(&dnafast::backward_cpu));
}
