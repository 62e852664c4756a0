#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace dnafast {

// A file that is not what it should be. line is 1-based, 0 where lines have no meaning.
class FormatError : public std::runtime_error {
 public:
  FormatError(const std::string& path, std::uint64_t line, const std::string& what);
};

}  // namespace dnafast
