#include "core/error.hpp"

namespace dnafast {

FormatError::FormatError(const std::string& path, std::uint64_t line, const std::string& what)
    : std::runtime_error(path + (line ? ", line " + std::to_string(line) : std::string()) + ": " + what) {}

}  // namespace dnafast
