#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace dnafast {

// A file mapped into memory for reading; the mapping lives as long as the object.
class Mapping {
 public:
  // Throws std::system_error naming the path.
  explicit Mapping(std::string path);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  // Throws FormatError where the file has become shorter since: reading what is gone would end the process. A file that
  // is cut between this and the reading still does.
  void check_size() const;

 private:
  std::string path_;
  int file_ = -1;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dnafast
