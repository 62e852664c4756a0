// Checks of operator arguments. std::invalid_argument becomes ValueError in Python, with torch 2.15 RuntimeError:
// whoever would tell it from other errors then compares the text. It is one sentence that names the argument, its value
// and what would be right.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "ops/compat.hpp"

namespace dnafast {

// What was refused last on this thread.
inline thread_local std::string last_refusal;

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  ((text << parts), ...);
  last_refusal = text.str();
  throw std::invalid_argument(last_refusal);
}

// As Python writes a tuple.
inline std::string shape_text(const Tensor& tensor) {
  std::string text = "(";
  for (const std::int64_t size : tensor.sizes()) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + (tensor.dim() == 1 ? ",)" : ")");
}

// torch's Python names, as a user would type them.
inline std::string dtype_text(ScalarType type) {
  switch (type) {
    case ScalarType::Byte:
      return "uint8";
    case ScalarType::Char:
      return "int8";
    case ScalarType::Short:
      return "int16";
    case ScalarType::Int:
      return "int32";
    case ScalarType::Long:
      return "int64";
    case ScalarType::Half:
      return "float16";
    case ScalarType::BFloat16:
      return "bfloat16";
    case ScalarType::Float:
      return "float32";
    case ScalarType::Double:
      return "float64";
    case ScalarType::Bool:
      return "bool";
    default:
      return torch::headeronly::toString(type);
  }
}

// On the CPU, and with memory for all its elements: torch lets go of a tensor's memory, and keeps its shape, where
// asked.
inline void check_cpu(const char* name, const Tensor& tensor) {
  if (!tensor.is_cpu()) refuse(name, " is not on the CPU as the other arguments are: all must be on one device");
  if (tensor.numel() == 0) return;
  std::int64_t elements = tensor.storage_offset() + 1;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) elements += (tensor.size(i) - 1) * tensor.stride(i);
  const std::int64_t held = storage_bytes(tensor) / static_cast<std::int64_t>(tensor.element_size());
  if (held < elements) {
    refuse(name, " has shape ", shape_text(tensor), " but memory for ", held, " of ", elements,
           " elements: its storage was resized");
  }
}

// Base codes: uint8 (N, L).
inline void check_codes(const Tensor& codes) {
  if (codes.scalar_type() != ScalarType::Byte) {
    refuse("codes has dtype ", dtype_text(codes.scalar_type()), ": expected uint8 base codes");
  }
  if (codes.dim() != 2) refuse("codes has shape ", shape_text(codes), ": expected (sequences, length)");
}

inline void check_floating(const char* name, const Tensor& tensor) {
  const ScalarType type = tensor.scalar_type();
  if (type != ScalarType::Float && type != ScalarType::Double && type != ScalarType::BFloat16) {
    refuse(name, " has dtype ", dtype_text(type), ": expected float32, float64 or bfloat16");
  }
}

inline void check_same_dtype(const char* name, const Tensor& tensor, const char* other_name, const Tensor& other) {
  if (tensor.scalar_type() != other.scalar_type()) {
    refuse(name, " has dtype ", dtype_text(tensor.scalar_type()), ": expected that of ", other_name, ", ",
           dtype_text(other.scalar_type()));
  }
}

inline void check_at_least(const char* name, std::int64_t value, std::int64_t least) {
  if (value < least) refuse(name, "=", value, ": expected at least ", least);
}

}  // namespace dnafast
